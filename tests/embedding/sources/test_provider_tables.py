"""Tables of the big providers of pictures, with made-up rows under the columns that their exports have."""

from pathlib import Path

import pytest

from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put, read

INAT_HEADER = (
    "id,uuid,observed_on_string,observed_on,time_observed_at,time_zone,user_id,user_login,user_name,created_at,updated_at,"
    "quality_grade,license,url,image_url,sound_url,tag_list,description,captive_cultivated,place_guess,latitude,longitude,"
    "positional_accuracy,geoprivacy,coordinates_obscured,species_guess,scientific_name,common_name,iconic_taxon_name,taxon_id,"
    "taxon_kingdom_name,taxon_phylum_name,taxon_class_name,taxon_order_name,taxon_family_name,taxon_subfamily_name,"
    "taxon_genus_name,taxon_species_name,taxon_hybrid_name,taxon_subspecies_name,taxon_variety_name,taxon_form_name"
)
EOL_HEADER = "EOL content ID,EOL page ID,Medium Source URL,EOL Full-Size Copy URL,License Name,Copyright Owner"


def inat_row(number: int, *, image: str, names: str) -> str:
    page = f"https://www.inaturalist.org/observations/{number}"
    return (
        f"{number},uuid-{number},2024/05/01,2024-05-01,2024-05-01 08:00:00 UTC,UTC,7,wren,Jenny Wren,2024-05-02,2024-05-02,"
        f'research,CC-BY-NC,{page},{image},,"tag, tag","seen by ""the"" pond",false,"Leiden, NL",52.16,4.49,'
        f"5,,false,{names}"
    )


def test_an_export_of_inaturalist_gives_the_pictures_and_the_ranks_of_its_taxa(tmp_path: Path) -> None:
    great_tit = "Kohlmeise,Parus major newtoni,Great Tit,Aves,203153,Animalia,Chordata,Aves,Passeriformes,Paridae,,Parus,Parus major,,Parus major newtoni,,"
    willow = "willow,Salix × fragilis,crack willow,Plantae,9,Plantae,Tracheophyta,Magnoliopsida,Malpighiales,Salicaceae,,Salix,,Salix × fragilis,,,"
    fly = "fly,Diptera,Flies,Insecta,47822,Animalia,Arthropoda,Insecta,Diptera,,,,,,,,"
    rows = [
        inat_row(1, image="https://static.inaturalist.org/photos/11/medium.jpg", names=great_tit),
        inat_row(2, image="https://static.inaturalist.org/photos/12/medium.jpeg", names=willow),
        inat_row(3, image="", names=fly),
    ]
    first, second, third = read(put(tmp_path / "observations-1.csv", "\n".join([INAT_HEADER, *rows, ""]).encode()))
    assert (first.image_id, first.uri) == ("uuid-1", "https://static.inaturalist.org/photos/11/medium.jpg")
    assert first.labels == {
        **{"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes", "family": "Paridae"},
        **{
            "genus": "Parus",
            "species": "Parus major",
            "infraspecific": "newtoni",
            "verbatim_name": "Parus major newtoni",
        },
        **{"common_name": "Great Tit", "licence": "CC-BY-NC"},
    }
    assert (first.extra["url"], first.extra["latitude"]) == ("https://www.inaturalist.org/observations/1", 52.16)
    assert (second.labels["genus"], second.labels["species"]) == ("Salix", "Salix × fragilis")
    assert (third.labels["order"], third.labels.get("family")) == ("Diptera", None)
    assert third.problem == "nothing in column 'image_url'"


@pytest.mark.parametrize(
    "page",
    [
        "https://www.inaturalist.org/observations/1",
        "http://inaturalist.nz/observations/2",
        "https://www.gbif.org/occurrence/3",
    ],
)
def test_a_table_whose_addresses_lead_to_pages_is_refused_before_any_is_fetched(tmp_path: Path, page: str) -> None:
    table = put(tmp_path / "observations.csv", f"id,url,scientific_name\n1,{page},Parus major\n2,,\n".encode())
    with pytest.raises(InputError, match="column 'url' holds addresses of pages, not of pictures: .*image_url"):
        open_source(table)


def test_a_manifest_of_eol_gives_its_full_size_copies_with_licence_and_owner(tmp_path: Path) -> None:
    rows = (
        "15263823,45511218,https://animaldiversity.org/tit/large.jpg,https://content.eol.org/data/media/be/4a/30.jpg,cc-by-nc-sa-3.0,Phil M.\n"
        "15263824,45511218,https://www.inaturalist.org/photos/3,https://content.eol.org/data/media/be/4a/31.jpg,cc-0,\n"
        "15263825,45511219,https://a.org/x.jpg,,cc-by,Ann\n"
    )
    first, second, third = read(put(tmp_path / "media_manifest_1.csv", f"{EOL_HEADER}\n{rows}".encode()))
    assert (first.image_id, first.uri) == ("15263823", "https://content.eol.org/data/media/be/4a/30.jpg")
    assert first.labels == {"licence": "cc-by-nc-sa-3.0", "rights_holder": "Phil M."}
    assert first.extra == {"EOL page ID": "45511218", "Medium Source URL": "https://animaldiversity.org/tit/large.jpg"}
    assert second.labels == {"licence": "cc-0"}
    assert third.problem == "nothing in column 'EOL Full-Size Copy URL'"
