"""Tables of the big providers of pictures, with made-up rows under the columns that their exports have."""

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from cladescope.embedding.records import left_out_of
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


def test_lilas_table_of_camera_traps_gives_its_pictures_and_ranks(tmp_path: Path) -> None:
    header = (
        "dataset_name,url_gcp,url_aws,url_azure,image_id,sequence_id,location_id,frame_num,original_label,scientific_name,"
        "common_name,datetime,annotation_level,kingdom,phylum,class,order,family,genus,species,subspecies,variety"
    )
    rows = (
        "Orinoquia,https://storage.googleapis.com/o/1.jpg,http://s3/o/1.jpg,https://lila/o/1.jpg,o : 1,s1,l1,1,jaguar,panthera onca,"
        "jaguar,2013-01-01,sequence,animalia,chordata,mammalia,carnivora,felidae,panthera,panthera onca,,\n"
        "Orinoquia,https://storage.googleapis.com/o/2.jpg,http://s3/o/2.jpg,https://lila/o/2.jpg,o : 2,s1,l1,2,empty,,empty,,sequence,"
        ",,,,,,,,\n"
    )
    first, second = read(put(tmp_path / "lila_image_urls_and_labels.csv", f"{header}\n{rows}".encode()))
    assert (first.uri, first.image_id, first.source) == ("https://storage.googleapis.com/o/1.jpg", "o : 1", "Orinoquia")
    assert (first.labels["species"], first.labels["class"]) == ("Panthera onca", "Mammalia")
    assert (second.labels, second.missing) == ({}, ("empty",))


WI_IMAGES = (
    "project_id,deployment_id,image_id,filename,location,is_blank,identified_by,wi_taxon_id,class,order,family,genus,species,"
    "common_name,uncertainty,timestamp,number_of_objects,age,sex,animal_recognizable,individual_id,individual_animal_notes,"
    "behavior,highlighted,markings,cv_confidence,license,bounding_boxes"
)
WI_DEPLOYMENTS = (
    "project_id,deployment_id,placename,longitude,latitude,start_date,end_date,camera_id,quiet_period,feature_type,recorded_by\n"
    "2004252,DEP1,site-a,-62.94,-8.57,2021-08-26 00:00:00,2022-01-19 00:00:00,2008799,0,None,Ann\n"
    "2004252,DEP2,site-b,-62.96,-8.55,2021-08-25 00:00:00,2021-11-04 00:00:00,2038808,3,None,Ann\n"
)
JAGUAR = "Mammalia,Carnivora,Felidae,Panthera,onca,Jaguar"
TAPIR = "Mammalia,Perissodactyla,Tapiridae,Tapirus,terrestris,Lowland Tapir"


def wi_row(image: str, names: str, *, deployment: str = "DEP1", blank: int = 0, by: str = "Ann") -> str:
    location = f"gs://repo/prod/{image}.jpg" if image != "web" else "https://app.wildlifeinsights.org/download/4/web"
    return (
        f"2004252,{deployment},img-{image},{image}.jpg,{location},{blank},{by},77-ab,{names},,2021-09-15 23:12:00,1,Adult,Unknown,,,,,"
        "false,,0.92,CC-BY-NC,"
    )


def wildlife_insights(folder: Path, rows: list[str], *, name: str = "images.csv") -> Path:
    put(folder / "deployments.csv", WI_DEPLOYMENTS.encode())
    put(folder / "cameras.csv", b"project_id,camera_id,camera_name,make\n2004252,2008799,B1,Bushnell\n")
    projects = "project_id,project_name,project_admin,project_admin_organization\n2004252,Amazon,Ann,Institute of Ann\n"
    put(folder / "projects.csv", projects.encode())
    return put(folder / name, "\n".join([WI_IMAGES, *rows, ""]).encode())


@pytest.mark.parametrize("as_folder", [True, False])
def test_an_export_of_wildlife_insights_gives_ranks_place_and_holder(tmp_path: Path, as_folder: bool) -> None:
    table = wildlife_insights(
        tmp_path, [wi_row("a", JAGUAR, by="Computer vision"), wi_row("web", TAPIR, deployment="DEP2")]
    )
    first, second = read(table.parent if as_folder else table)
    assert (first.image_id, first.uri) == ("img-a", "gs://repo/prod/a.jpg")
    assert first.labels == {
        **{
            "class": "Mammalia",
            "order": "Carnivora",
            "family": "Felidae",
            "genus": "Panthera",
            "species": "Panthera onca",
        },
        **{"common_name": "Jaguar", "licence": "CC-BY-NC", "rights_holder": "Institute of Ann"},
    }
    assert {
        name: first.extra[name] for name in ("latitude", "longitude", "placename", "identified_by", "filename")
    } == {
        **{"latitude": -8.57, "longitude": -62.94, "placename": "site-a", "identified_by": "Computer vision"},
        "filename": "a.jpg",
    }
    assert (second.uri, second.extra["latitude"]) == ("https://app.wildlifeinsights.org/download/4/web", -8.55)


def test_an_identification_whose_deployment_is_not_listed_has_no_place_and_is_counted(tmp_path: Path) -> None:
    source = open_source(wildlife_insights(tmp_path, [wi_row("a", JAGUAR), wi_row("b", TAPIR, deployment="LOST")]))
    assert [record.extra["latitude"] for record in source.records()] == [-8.57, None]
    assert left_out_of(source) == {"places of identifications whose deployment is not listed": 1}


@pytest.mark.parametrize(
    "names, word, blank",
    [
        (",".join(["No CV Result"] * 6), "No CV Result", 0),
        (",,,,,Blank", "Blank", 1),
        (",,,,,", "Blank", 1),
        (",,,,,Misfire", "Misfire", 0),
        ("Unknown,Unknown,Unknown,Unknown,Unknown,Unknown", "Unknown", 0),
        ("Mammalia,Primates,Hominidae,Homo,sapiens,Human-Camera Trapper", "Human-Camera Trapper", 0),
        ("Mammalia,Primates,Hominidae,Homo,sapiens,", "Human", 0),
        (",,,,,Vehicle", "Vehicle", 0),
        (",,,,,Animal", "Animal", 0),
    ],
)
def test_a_row_that_names_no_taxon_has_no_labels_and_is_counted(
    tmp_path: Path, names: str, word: str, blank: int
) -> None:
    table = wildlife_insights(tmp_path, [wi_row("a", names, blank=blank), wi_row("b", JAGUAR)])
    first, second = read(table)
    assert first.labels.keys() == {"licence", "rights_holder"}
    assert first.missing == (word,)
    assert (second.labels["species"], second.missing) == ("Panthera onca", ())


def test_a_common_name_without_ranks_stays_a_label(tmp_path: Path) -> None:
    first, second = read(wildlife_insights(tmp_path, [wi_row("a", ",,,,,Jaguar"), wi_row("b", JAGUAR)]))
    assert [record.labels["common_name"] for record in (first, second)] == ["Jaguar", "Jaguar"]
    both = read(wildlife_insights(tmp_path / "two", [wi_row("a", ",,,,,Jaguar"), wi_row("a", ",,,,,Tapir")]))
    assert [record.labels["common_name"] for record in both] == ["Jaguar", "Tapir"]


def test_several_taxa_of_a_picture_are_records_each_and_the_same_taxon_is_one(tmp_path: Path) -> None:
    table = wildlife_insights(tmp_path, [wi_row("a", JAGUAR), wi_row("a", TAPIR), wi_row("a", JAGUAR)])
    source = open_source(table)
    assert [(record.image_id, record.labels["genus"]) for record in source.records()] == [
        ("img-a", "Panthera"),
        ("img-a#2", "Tapirus"),
    ]
    assert left_out_of(source) == {"further identifications of a taxon that a picture shows already": 1}


@pytest.mark.parametrize("inside", ["a.jpg", "images/a.jpg", "images/DEP1/a.jpg"])
def test_a_file_that_lies_beside_the_export_is_taken_before_its_location(tmp_path: Path, inside: str) -> None:
    put(tmp_path / inside)
    first, second = read(wildlife_insights(tmp_path, [wi_row("a", JAGUAR), wi_row("b", JAGUAR)]))
    assert (first.uri, second.uri) == (f"{tmp_path}/{inside}", "gs://repo/prod/b.jpg")


def test_a_file_in_the_archive_of_the_export_is_taken_too(tmp_path: Path) -> None:
    table = wildlife_insights(tmp_path / "e", [wi_row("a", JAGUAR), wi_row("b", JAGUAR)])
    put(tmp_path / "e/images/a.jpg")
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        for path in table.parent.rglob("*.*"):
            archive.write(path, f"export/{path.relative_to(table.parent)}")
    first, second = read(tmp_path / "e.zip")
    assert (first.uri, second.uri) == (f"{tmp_path}/e.zip#export/images/a.jpg", "gs://repo/prod/b.jpg")


def test_a_project_of_sequences_has_its_identifications_in_a_table_of_their_own(tmp_path: Path) -> None:
    images = (
        "project_id,deployment_id,image_id,filename,sequence_id,location,wi_taxon_id,class,order,family,genus,species,common_name,timestamp\n"
        "2004252,DEP1,i1,1.jpg,s1,gs://x/1.jpg,,,,,,,,2021-08-26 10:00:00\n"
        "2004252,DEP1,i2,2.jpg,s1,gs://x/2.jpg,,,,,,,,2021-08-26 10:00:20\n"
        "2004252,DEP2,i3,3.jpg,s2,gs://x/3.jpg,,,,,,,,2021-08-27 10:00:00\n"
        "2004252,DEP2,i4,4.jpg,s4,gs://x/4.jpg,,,,,,,,2021-08-28 10:00:00\n"
    )
    sequences = (
        "project_id,deployment_id,sequence_id,is_blank,identified_by,wi_taxon_id,class,order,family,genus,species,common_name,group_size,license\n"
        f"2004252,DEP1,s1,0,Ann,7,{JAGUAR},1,CC-BY\n2004252,DEP1,s1,0,Ann,8,{TAPIR},3,CC-BY\n"
        "2004252,DEP2,s2,1,Ann,,,,,,,,,CC-BY\n2004252,DEP2,s3,1,Ann,,,,,,,,,CC-BY\n"
    )
    put(tmp_path / "images_2004252.csv", images.encode())
    put(tmp_path / "sequences.csv", sequences.encode())
    source = open_source(tmp_path)
    records = list(source.records())
    assert [(record.image_id, record.labels.get("genus"), record.missing) for record in records] == [
        ("i1", "Panthera", ()), ("i1#2", "Tapirus", ()), ("i2", "Panthera", ()), ("i2#2", "Tapirus", ()),
        ("i3", None, ("Blank",)), ("i4", None, ()),
    ]  # fmt: skip
    assert (records[1].extra["group_size"], records[1].extra["timestamp"]) == ("3", "2021-08-26 10:00:00")
    assert left_out_of(source) == {"identifications of sequences without a picture": 1}


BIOSCAN_1M = (
    "sampleid\tprocessid\turi\tname\tphylum\tclass\torder\tfamily\tsubfamily\ttribe\tgenus\tspecies\tsubspecies\tnucraw\t"
    "image_file\tlarge_diptera_family\tchunk_number\tcopyright_license\tcopyright_holder\n"
    "BIOUG1-A01\tSSB001-19\tBOLD:AER5166\tCecidomyiidae\tArthropoda\tInsecta\tDiptera\tCecidomyiidae\tnot_classified\tnot_classified\t"
    "not_classified\tnot_classified\tnot_classified\tTTTATATTT\tBIOUG1-A01.jpg\ttrain\t3\tCreativeCommons\tCBG\n"
    "BIOUG1-A02\tSSB002-19\tBOLD:AAA1234\tMegaselia sp.\tArthropoda\tInsecta\tDiptera\tPhoridae\tno_match\tnot_classified\t"
    "Megaselia\tBOLD:AAA1234\tnot_classified\tTTTATATTA\tBIOUG1-A02.jpg\ttest\t113\tCreativeCommons\tCBG\n"
)


@pytest.mark.parametrize("images", ["bioscan/images/cropped_256", "images/original_full", "cropped_256"])
def test_bioscan_1m_finds_its_pictures_in_the_folders_of_the_release(tmp_path: Path, images: str) -> None:
    put(tmp_path / images / "part113/BIOUG1-A02.jpg")
    first, second = read(put(tmp_path / "BIOSCAN_Insect_Dataset_metadata.tsv", BIOSCAN_1M.encode()))
    assert [first.uri, second.uri] == [
        f"{tmp_path}/{images}/part3/BIOUG1-A01.jpg",
        f"{tmp_path}/{images}/part113/BIOUG1-A02.jpg",
    ]
    assert first.image_id == "SSB001-19"
    assert first.labels == {
        **{"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta", "order": "Diptera"},
        **{"family": "Cecidomyiidae"},
        **{"licence": "CreativeCommons", "rights_holder": "CBG"},
    }
    assert first.missing == ("not_classified", "not_classified")
    assert (second.labels["genus"], second.labels.get("species"), second.labels["qualifier"]) == (
        "Megaselia",
        None,
        "BOLD:AAA1234",
    )
    assert (first.extra["dna_bin"], first.extra["nucraw"], first.extra["sampleid"]) == (
        "BOLD:AER5166",
        "TTTATATTT",
        "BIOUG1-A01",
    )


def test_bioscan_5m_finds_its_pictures_by_split_and_chunk(tmp_path: Path) -> None:
    header = "processid,sampleid,taxon,phylum,class,order,family,subfamily,genus,species,dna_bin,dna_barcode,country,coord-lat,coord-lon,split,chunk"
    rows = (
        "AACTA1-20,B1,Phoridae,Arthropoda,Insecta,Diptera,Phoridae,,,,BOLD:AEN8,TTA,Costa Rica,10.9,-85.5,pretrain,0a\n"
        "AACTA2-20,B2,Apis mellifera,Arthropoda,Insecta,Hymenoptera,Apidae,,Apis,Apis mellifera,BOLD:AAA2,TTA,Canada,45,-75,val,\n"
    )
    put(tmp_path / "bioscan5m/images/cropped_256/pretrain/0a/AACTA1-20.jpg")
    table = put(
        tmp_path / "bioscan5m/metadata/csv/BIOSCAN_5M_Insect_Dataset_metadata.csv", f"{header}\n{rows}".encode()
    )
    first, second = read(table)
    images = f"{tmp_path}/bioscan5m/images/cropped_256"
    assert [first.uri, second.uri] == [f"{images}/pretrain/0a/AACTA1-20.jpg", f"{images}/val/AACTA2-20.jpg"]
    assert (first.image_id, first.extra["sampleid"]) == ("AACTA1-20", "B1")
    assert first.labels == {
        **{"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta", "order": "Diptera"},
        **{"family": "Phoridae"},
    }
    assert (second.labels["species"], second.extra["dna_bin"], second.extra["coord-lat"]) == (
        "Apis mellifera",
        "BOLD:AAA2",
        45.0,
    )


def test_bioscan_without_its_pictures_says_where_they_were_looked_for(tmp_path: Path) -> None:
    table = put(tmp_path / "metadata.tsv", BIOSCAN_1M.encode())
    with pytest.raises(
        InputError, match=r"found no picture of .*metadata.tsv: looked for part3/BIOUG1-A01.jpg in .*cropped_256"
    ):
        open_source(table)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv.gz", "T.CSV.GZ"])
def test_a_table_that_is_compressed_is_read_as_it_would_be_unpacked(tmp_path: Path, name: str) -> None:
    text = 'file,species,note\na.jpg,Parus major,"two\nlines"\nb.jpg,Parus ater,é\n'.encode()
    plain = read(put(tmp_path / "t.csv", text))
    assert read(put(tmp_path / name, gzip.compress(text))) == [replace(record, source=name[0]) for record in plain]


def test_a_compressed_table_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    table = put(tmp_path / "t.csv.gz", gzip.compress(b"file\n" + b"a.jpg\n" * 1000)[:-20])
    with pytest.raises(InputError, match=r"t\.csv\.gz is no whole gzip file"):
        open_source(table)


def test_a_compressed_table_from_elsewhere_is_read_too(remote: fsspec.AbstractFileSystem) -> None:
    remote.pipe("/set/table.csv.gz", gzip.compress(b"file,genus\na/1.jpg,Apis\n"))
    (record,) = read("memory://set/table.csv.gz")
    assert (record.uri, record.source, record.labels) == ("memory://set/a/1.jpg", "table", {"genus": "Apis"})
