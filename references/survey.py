"""Clusters of maps by scikit-learn: affinities, eigenvalues of the Laplacian, labels of spectral clustering.

Maps are computed from their names: noise in [0, 0.3) or [0, 1), and a peak in some cells of most maps.
"""

import numpy as np
from scipy.sparse import csgraph
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import kneighbors_graph

import seeded
from store import destination, save_json, versions

SCRIPT = "survey.py"
PACKAGES = ["numpy", "scipy", "scikit-learn"]
CELLS = 16
EIGENVALUES = 9

# (name, noise, cells with a peak by group, maps by group)
CASES = [
    ("two apart", 0.3, [[0], [15]], [25, 14]),
    ("three apart", 0.3, [[0], [7, 8], [15]], [30, 20, 11]),
    ("three that touch", 1.0, [[0], [7, 8], [15]], [40, 26, 17]),
    ("no groups", 1.0, [[]], [37]),
]


def maps_of(name, noise, peaks, counts):
    """[maps, cells], float32: noise, and 1 added where a group has its peak."""
    total = sum(counts)
    maps = np.float32(noise) * seeded.unit(f"survey {name}", total * CELLS).astype(np.float32)
    maps = maps.reshape(total, CELLS)
    start = 0
    for cells, count in zip(peaks, counts):
        maps[start : start + count, cells] += np.float32(1)
        start += count
    return maps


def main():
    cases = []
    for name, noise, peaks, counts in CASES:
        maps = maps_of(name, noise, peaks, counts).astype(np.float64)
        neighbours = min(10, (len(maps) - 1) // 2)
        graph = kneighbors_graph(maps, neighbours, mode="connectivity", include_self=False)
        affinity = (0.5 * (graph + graph.T)).toarray()
        laplacian = csgraph.laplacian(affinity, normed=True)
        eigenvalues = np.linalg.eigvalsh(laplacian)[:EIGENVALUES]
        kinds = int(np.argmax(np.diff(eigenvalues))) + 1
        labels = np.zeros(len(maps), dtype=int)
        if kinds > 1:
            clustering = SpectralClustering(
                kinds, affinity="precomputed", assign_labels="kmeans", n_init=10, random_state=0
            )
            labels = clustering.fit_predict(affinity)
        cases.append(
            {
                "name": name,
                "noise": noise,
                "peaks": peaks,
                "counts": counts,
                "neighbours": neighbours,
                "degrees": affinity.sum(axis=1).tolist(),
                "eigenvalues": eigenvalues.tolist(),
                "clusters": kinds,
                "labels": labels.tolist(),
            }
        )
    content = {"script": f"references/{SCRIPT}", **versions(PACKAGES), "cases": cases}
    save_json(destination("dvm", "survey.json"), content)


if __name__ == "__main__":
    main()
