"""Numbers that are none for what they mean are refused in one line by every analysis of a store."""

import pytest

from cladescope.analysis.audit.run import audit_store
from cladescope.analysis.classify.fit import fit_store
from cladescope.analysis.maps.run import map_store
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.stores import probe_stores
from cladescope.analysis.report.run import ReportConfig
from cladescope.errors import InputError


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda store: Pictures.of_store(store, limit=0), "found limit 0, expected 1 or more"),
        (lambda store: Pictures.of_store(store, seed=-1), "found seed -1, expected 0 or more"),
        (lambda store: audit_store(store, limit=-2), "found limit -2, expected 1 or more"),
        (lambda store: audit_store(store, rank="tribe"), "no rank 'tribe'"),
        (lambda store: fit_store(store, shots=0), "found shots 0, expected 1 or more"),
        (lambda store: fit_store(store, method="knn", k=0), "k is 0: expected a whole number from 1 on, or 'auto'"),
        (lambda store: fit_store(store, calibration=1.0), "found 1.0, expected cross, split, or a share"),
        (lambda store: fit_store(store, method="svm"), "unknown method 'svm'"),
        (lambda store: map_store(store, dim=4), "found 4 dimensions, expected 2 or 3"),
        (lambda store: map_store(store, neighbours=1), "found neighbours 1, expected 2 or more"),
        (lambda store: map_store(store, method="pca"), "unknown method 'pca'"),
        (lambda store: map_store(store, color="tribe"), "tribe is no rank"),
        (lambda store: probe_stores([store], sample=2), "found sample 2, expected 3 or more"),
        (lambda store: probe_stores([store], n_permutations=-1), "found n_permutations -1, expected 0 or more"),
        (lambda store: probe_stores([]), "no store is given"),
        (lambda _: ReportConfig(map_sample=3), "found map_sample 3, expected 4 or more, or 0"),
        (lambda _: ReportConfig(seed=-1), "found seed -1"),
    ],
)
def test_a_number_or_word_that_means_nothing_is_refused_in_one_line(store, call, message):
    with pytest.raises(InputError, match=message) as error:
        call(store)
    assert "\n" not in str(error.value)
