"""Terms of Darwin Core that records keep, and under which names; all other columns of an archive are not read.

Terms: https://dwc.tdwg.org/terms/; of pictures https://rs.gbif.org/terms/1.0/Multimedia and https://ac.tdwg.org/termlist/.
"""

LABEL_TERMS = (
    *("kingdom", "phylum", "class", "order", "family", "genus", "species", "specificEpithet", "scientificName"),
    "vernacularName",
)
OWN_TERMS = (
    *("taxonRank", "taxonKey", "acceptedTaxonKey", "taxonID", "taxonomicStatus", "acceptedScientificName"),
    *("basisOfRecord", "eventDate", "year", "month", "day", "decimalLatitude", "decimalLongitude"),
    *("coordinateUncertaintyInMeters", "elevation", "depth", "country", "countryCode", "stateProvince", "locality"),
    *("habitat", "recordedBy", "identifiedBy", "dateIdentified", "typeStatus", "identificationQualifier", "sex"),
    *("lifeStage", "individualCount", "establishmentMeans", "occurrenceStatus", "occurrenceRemarks", "preparations"),
    *("institutionCode", "collectionCode", "catalogNumber", "occurrenceID", "datasetName", "datasetKey", "references"),
)
"""Kept as a source's own columns, under these names."""
ID_TERMS = ("gbifID", "occurrenceID")
"""What names an occurrence beside the archive's own key, the preferred first."""
MEDIA_TERMS = ("associatedMedia",)
"""Where addresses of pictures stand in the occurrence itself."""
RIGHTS_TERMS = ("license", "rightsHolder")
"""Of the occurrence; they count where the picture's own are not said."""

PICTURE_TERMS: dict[str, tuple[str, ...]] = {
    "path": ("accessURI", "identifier"),
    "type": ("type",),
    "format": ("format",),
    "licence": ("license", "UsageTerms", "WebStatement", "rights"),
    "rights_holder": ("rightsHolder", "Owner"),
    "creator": ("creator",),
    "title": ("title",),
    "created": ("created", "CreateDate"),
}
"""Of a picture: the terms that say each thing, of which the first that has a value counts."""
OCCURRENCE_TERMS = frozenset((*LABEL_TERMS, *OWN_TERMS, *ID_TERMS, *MEDIA_TERMS, *RIGHTS_TERMS))
"""All that is read of an occurrence."""
