"""What each number means, in words: how to read it, its formula, its paper, and what it needs. The one place of these words."""

import re
from dataclasses import dataclass

GENERAL = {
    "Interval": "The range of the middle 95 % of 500 resamples. Whole species (or, where a picture has none, its deepest "
    "lineage) are drawn with replacement, since pictures of one species depend on each other (Davison and Hinkley 1997, "
    "Bootstrap Methods and their Application, section 3.8). For the tree of species it is the range over 100 random halves "
    "of the species (Shao and Wu 1989, doi:10.1214/aos/1176347263); that of Robinson-Foulds distances is moved to their value, since trees of fewer species differ less.",
    "Chance": "The mean and the middle 95 % of the same number once labels have been given out at random: at the narrowest rank "
    "among the pictures, above it among the species, each with all its pictures, for an encoder that knows species and nothing "
    "else would stand above a chance by pictures at every rank. p is the share of these numbers that are at least as good (one-sided; Phipson "
    "and Smyth 2010), and is also given adjusted among all probes of the encoder by the rate of false discoveries (Benjamini and Hochberg 1995). Numbers that "
    "cost as much under permuted labels as they do themselves have at most 40 permutations, and a p of 0.024 at the least.",
    "Balanced": "The value where taxa count alike, so that one of many pictures counts no more than a small one: for most the mean over taxa of the mean of each, "
    "for eta squared, hubness and dimensions with pictures weighed so. Numbers from the species' mean vectors, and those of variants, have every species count alike anyway.",
    "Difference": "The other encoder's value less the first's, over the same pictures, picture by picture. The two-sided "
    "p-value is that of flipping the sign of whole species' differences, in all ways for up to 14 species (Fisher 1935, The Design of "
    "Experiments, section 21), and the interval holds the differences that this test would not refuse. Adjusted is for the "
    "number of comparisons of two encoders (Holm 1979). With fewer than 6 species there is neither: no p could be below 0.05.",
    "Missing ranks": "A picture that lacks a rank leaves the numbers of that rank; it stays in those of the other ranks. Taxa are "
    "told apart by their full path from the kingdom down, never by name alone.",
    "Other species": "Above the species the two classifiers are tested on other species than they were trained on: they say whether what "
    "is known of a rank carries over to species that were not seen.",
}
"""Notes that hold for all numbers."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """The words of one probe."""

    reads: str
    """What the number says, in plain words."""
    formula: str
    source: str
    better: str = "higher"
    """`higher`, `lower`, or `neither` where the number describes and does not judge."""
    needs: str = ""
    """What the data must have for it; empty where it always runs."""


METHODS = {
    "k-NN purity": Method(
        reads="The share of a picture's k nearest pictures that belong to its own taxon; with k = 1, how often the nearest one does.",
        formula="mean over pictures i of (1/k) Σ_j [y_j = y_i], j the k nearest by cosine; neighbours without the rank are passed over",
        source="Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 16.3",
        needs="a neighbour that has the rank",
    ),
    "retrieval mAP": Method(
        reads="How high all other pictures of its taxon stand when the rest is ordered by likeness to a picture; 1 where they all come first.",
        formula="mean over pictures of AP; AP = mean, over the relevant pictures, of the precision at their place in the list",
        source="Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4",
        needs="a taxon of two pictures",
    ),
    "eta squared": Method(
        reads="The share of the spread of the vectors that lies between taxa and not within them. It grows with the number of taxa: compare it with chance.",
        formula="η² = Σ_c n_c |m_c - m|² / Σ_i |x_i - m|²; the Fisher ratio is η² / (1 - η²)",
        source="Fisher 1925, Statistical Methods for Research Workers, chapter VIII",
    ),
    "silhouette": Method(
        reads="How much closer a picture is to its own taxon than to the next: 1 far closer, 0 between the two, below 0 closer to another.",
        formula="mean of (b - a) / max(a, b); a = mean cosine distance to its own taxon, b = the least mean distance to another",
        source="Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7",
    ),
    "nearest-centroid accuracy": Method(
        reads="The share of pictures named rightly by the nearest class mean, learnt from half of the species of each taxon and asked about the others (at the rank of species: about other pictures).",
        formula="mean of [argmax_c cos(x_i, m_c) = y_i], over species (or pictures) left out of the means",
        source="Snell et al. 2017, Prototypical Networks, arXiv:1703.05175; here the encoder is frozen",
        needs="two taxa, one of them with pictures of two species (at the rank of species: two pictures)",
    ),
    "linear-probe accuracy": Method(
        reads="The share of pictures named rightly by a linear classifier that has seen the other half of the species of each taxon: whether a straight cut through the vectors tells the taxa apart for species that it has not seen.",
        formula="ridge regression onto the classes, penalty 1, classes of equal weight; share right on the species left out",
        source="Alain and Bengio 2016, arXiv:1610.01644; by least squares instead of logistic regression",
        needs="two taxa, one of them with pictures of two species (at the rank of species: two pictures), and at most 1,000 taxa",
    ),
    "LCA height": Method(
        reads="How many ranks one climbs from a picture until its lineage meets that of its nearest picture: 0 the same taxon, 7 not even the kingdom.",
        formula="mean over pictures of the height of the lowest common ancestor with the nearest by cosine",
        source="Bertinetto et al. 2020, Making Better Mistakes, arXiv:1912.09393; here of neighbours",
        better="lower",
    ),
    "hierarchical precision": Method(
        reads="How like a picture its k nearest are, rank by rank, over how like the k most alike pictures of all would be: 1 is the best order there is.",
        formula="mean over pictures of Σ_j alike(i, j) over its largest possible sum; alike = 1 - taxonomic distance / 7",
        source="Barz and Denzler 2019, Hierarchy-based Image Embeddings, arXiv:1809.09924, equation 10",
    ),
    "distance correlation": Method(
        reads="Whether species that are far apart in the taxonomy (or along the branches of the phylogeny) are far apart for the encoder: 1 in the same order, 0 no relation.",
        formula="Spearman's rank correlation of 1 - cos(m_s, m_t) with the taxonomic distance, or that along the branches, over pairs of species",
        source="Mantel 1967, The Detection of Disease Clustering and a Generalized Regression Approach",
        needs="4 species or other lineages",
    ),
    "cophenetic correlation": Method(
        reads="Whether a tree built from the vectors joins species at heights that agree with the taxonomy, or with the lengths of the phylogeny: 1 in full.",
        formula="Pearson's r between the heights at which species meet in the average-linkage tree and the taxonomic distance, or that along the branches",
        source="Sokal and Rohlf 1962, The comparison of dendrograms by objective methods",
        needs="4 species or other lineages",
    ),
    "triplet accuracy": Method(
        reads="Of two species, one more closely related to a third: how often the encoder too has it closer. Half is chance.",
        formula="mean over sampled (a, b, c), b nearer than c to a in the taxonomy, of [d(a, b) < d(a, c)]",
        source="Schroff et al. 2015, FaceNet, arXiv:1503.03832",
        needs="4 species or other lineages, unequally related",
    ),
    "triplet distance": Method(
        reads="Of three species two are the closest relatives: how often the tree built from the vectors picks another two. Two thirds is chance.",
        formula="share of sampled triples that the reference resolves and the average-linkage tree has otherwise",
        source="Critchlow, Pearl and Qian 1996, The Triples Distance for Rooted Bifurcating Phylogenetic Trees",
        better="lower",
        needs="4 species or other lineages, unequally related",
    ),
    "quartet distance": Method(
        reads="Of four species two and two stand together: how often the neighbour-joining tree of the vectors, which supposes no even pace and has no root, pairs them otherwise or leaves it open. Two thirds is chance.",
        formula="share of the quartets that the reference resolves (all of up to 40 species, else 50,000 sampled) and the neighbour-joining tree has not",
        source="Estabrook, McMorris and Meacham 1985, doi:10.1093/sysbio/34.2.193; Saitou and Nei 1987, doi:10.1093/oxfordjournals.molbev.a040454",
        better="lower",
        needs="4 species or other lineages, unequally related",
    ),
    "Robinson-Foulds": Method(
        reads="The share of groupings that only one of the two trees has: 0 the same tree, 1 nothing in common. A taxonomy has fewer groupings than a binary tree, so 0 is out of reach.",
        formula="|A △ B| / (|A| + |B|), A and B the clades of the two trees",
        source="Robinson and Foulds 1981, Comparison of phylogenetic trees",
        better="lower",
        needs="4 species or other lineages",
    ),
    "neighbour-joining Robinson-Foulds": Method(
        reads="The share of inner branches that only one of the two trees has, of the neighbour-joining tree and without a root: 0 the same tree, 1 nothing in common.",
        formula="|A △ B| / (|A| + |B|), A and B the ways in which an inner branch parts the species in two",
        source="Saitou and Nei 1987; Robinson and Foulds 1981, Comparison of phylogenetic trees",
        better="lower",
        needs="4 species or other lineages",
    ),
    "hubness": Method(
        reads="Whether a few pictures are the neighbours of very many: 0 where all are neighbours about equally often, larger where there are hubs, which crowd search results.",
        formula="skewness E[(N - mean N)³] / sd(N)³ of N, how often a picture is among the k nearest of another",
        source="Radovanović et al. 2010, Hubs in Space, Journal of Machine Learning Research 11, equation 1",
        better="neither",
    ),
    "relative delta": Method(
        reads="How far distances are from those along a tree: 0 for a tree. A maximum over sampled quadruples, so a lower bound.",
        formula="2 δ / diameter; δ half the largest gap between the two greatest of d(x,y)+d(z,w), d(x,z)+d(y,w), d(x,w)+d(y,z)",
        source="Khrulkov et al. 2020, Hyperbolic Image Embeddings, arXiv:1904.02239, section 3",
        better="neither",
    ),
    "intrinsic dimension (TwoNN)": Method(
        reads="How many directions the pictures really use nearby, of all the numbers in a vector; from the two nearest pictures.",
        formula="n / Σ_i log(r₂ / r₁), r₁ and r₂ the distances to the two nearest",
        source="Facco et al. 2017, doi:10.1038/s41598-017-11873-y, by maximum likelihood",
        better="neither",
        needs="4 pictures, not copies of each other",
    ),
    "intrinsic dimension (MLE)": Method(
        reads="How many directions the pictures really use nearby, from the k nearest pictures. Where the two dimensions disagree, the pictures are not spread evenly.",
        formula="1 / mean_i mean_j log(r_k / r_j), r_j the distance to the j-th nearest",
        source="Levina and Bickel 2004, averaged as MacKay and Ghahramani 2005 correct it",
        better="neither",
        needs="4 pictures, not copies of each other",
    ),
    "variant explained variance": Method(
        reads="How much of the difference between the two variants (such as sexes) lies along the directions that tell species apart: 0 none of it.",
        formula="|Uᵀd|² / |d|², U the directions of 95 % of the variance of the species' means, d the difference of the variants' means",
        source="Gu et al. 2025, BioCLIP 2, arXiv:2505.23883, section 5; the reading is ours",
        better="lower",
    ),
    "variant Fisher ratio": Method(
        reads="How well the two variants are told apart once the directions between species are taken out.",
        formula="(m₀ - m₁)² / (v₀ + v₁) along d - U Uᵀ d",
        source="Gu et al. 2025, BioCLIP 2, arXiv:2505.23883, section 5; the reading is ours",
    ),
    "trustworthiness": Method(
        reads="Whether pictures that are near on the map are near for the encoder too: 1 where all are.",
        formula="1 - 2 / (n k (2n - 3k - 1)) Σ_i Σ_j (r(i, j) - k), j near on the map but not in the vectors, r its place there",
        source="Venna and Kaski 2001, Neighborhood preservation in nonlinear projection methods, equation 1",
    ),
    "continuity": Method(
        reads="Whether pictures that are near for the encoder are near on the map too: 1 where all are.",
        formula="trustworthiness with map and vectors exchanged",
        source="Venna and Kaski 2001, Neighborhood preservation in nonlinear projection methods",
    ),
    "map": Method(
        reads="Every picture as a point, alike ones close together. Distances between clusters, and their sizes, mean little.",
        formula="UMAP on the graph of the nearest pictures by cosine, from scaled principal components",
        source="McInnes, Healy and Melville 2018, UMAP, arXiv:1802.03426",
        better="neither",
        needs="4 pictures",
    ),
}
"""By the probe's name as `method_name` gives it."""

OF_RANKS = (
    "k-NN purity", "retrieval mAP", "eta squared", "silhouette", "nearest-centroid accuracy", "linear-probe accuracy",
)  # fmt: skip
OF_TREES = (
    "LCA height", "hierarchical precision", "distance correlation", "cophenetic correlation", "triplet accuracy", "triplet distance", "Robinson-Foulds",
    "quartet distance", "neighbour-joining Robinson-Foulds",
)  # fmt: skip
OF_SHAPE = ("hubness", "relative delta", "intrinsic dimension (TwoNN)", "intrinsic dimension (MLE)")
OF_VARIANTS = ("variant explained variance", "variant Fisher ratio")


def method_name(probe: str) -> str:
    """The name under which a probe's words stand in `METHODS`.

    >>> method_name("10-NN purity"), method_name("triplet distance to taxonomy"), method_name("hierarchical precision@10")
    ('k-NN purity', 'triplet distance', 'hierarchical precision')
    """
    return re.sub(r"( to (taxonomy|phylogeny)|@\d+)$", "", re.sub(r"^\d+-NN", "k-NN", probe))
