"""Lists of taxa as people write them."""

from cladescope.analysis.classify.taxon_lists import read_taxa


def test_a_list_names_its_species_as_a_store_does(tmp_path):
    path = tmp_path / "taxa.csv"
    rows = ["Parus,Parus major (L.)", "Parus,ater", "Salix,Salix x alba", "Salix,Salix ×alba", "Rosa,Rosa sp.", "Rosa,"]
    path.write_text("\n".join(["genus,species", *rows, ""]), encoding="utf-8")
    found = read_taxa(path).select(["genus", "species"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        *(("Parus", "Parus ater"), ("Parus", "Parus major"), ("Rosa", None), ("Salix", "Salix × alba")),
    ]
