"""Where names stand on a map: near their points, on no point and no other name, and off the lines that lead to other names.

Exact over a raster of small cells, greedy over names. adjustText and textalloc, which do the same by pushing texts about or by sampling,
do not promise that nothing is covered.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.ndimage import binary_dilation, distance_transform_edt, minimum_filter

CELL = 4
"""Side of a cell of the raster in pixels."""
TRIES = 200
"""Places that are tried for a name whose line would lead through another name."""
LONGEST = 0.12
"""Of a line, as a share of the longer side of the canvas."""
Line = Float[np.ndarray, "2 2"]


def label_places(
    points: Real[np.ndarray, "n 2"],
    own: Sequence[Int[np.ndarray, " _"]],
    sizes: Sequence[tuple[float, float]],
    *,
    width: float,
    height: float,
    radius: float,
    gap: float = 4.0,
    line_from: float = np.inf,
) -> list[tuple[float, float] | None]:
    """The lower left corner of each name, or None where there is no room for it; earlier names choose first.

    All in pixels of a canvas from (0, 0) to (width, height): `points` are drawn as discs of a `radius`, the name i of `sizes[i]` belongs to
    the points in the rows `own[i]`. A name keeps `gap` pixels from the edge of every disc and from other names. Among the free places the
    one nearest to its own points is taken, and places nearer to another's points count as farther. Takes 40 bytes a cell.

    From names `line_from` pixels or more away from their points a line leads there (`leader`): it crosses no other name, and
    is at most `LONGEST`. A name without such a place, among those that were tried, has none.

    >>> label_places(np.array([[50.0, 50.0]]), [np.array([0])], [(20.0, 8.0)], width=100.0, height=100.0, radius=3.0)
    [(36.0, 64.0)]
    """
    columns, rows = max(int(width // CELL), 1), max(int(height // CELL), 1)
    taken = _cells(points, columns, rows)
    # The distance of a cell's middle to that of a point's cell, less half a diagonal of both, is the least that it can be.
    blocked = distance_transform_edt(~taken) * CELL <= radius + gap + CELL * np.sqrt(2)
    named = np.zeros_like(taken)
    found: list[tuple[float, float] | None] = []
    for rows_of_points, (long, high) in zip(own, sizes, strict=True):
        cells_wide, cells_high = (int(np.ceil(side / CELL)) for side in (long, high))
        if not len(rows_of_points) or cells_wide > columns or cells_high > rows:
            found.append(None)
            continue
        mine = _cells(points[rows_of_points], columns, rows)
        free = _sums(blocked, cells_high, cells_wide) == 0
        cost = np.where(free, _cost(mine, taken & ~mine, cells_high, cells_wide), np.inf)
        for tried in range(TRIES):
            row, column = (int(at) for at in np.unravel_index(np.argmin(cost), cost.shape))
            corner = (float(column) * CELL, float(row) * CELL)
            line = leader(points[rows_of_points], corner, (long, high), least=line_from)
            below = np.zeros_like(taken) if line is None else _crossed(line, columns, rows)
            is_long = line is not None and np.hypot(*(line[1] - line[0])) > LONGEST * max(width, height)
            is_free = bool(np.isfinite(cost[row, column])) and not is_long and not (below & named).any()
            if is_free or not np.isfinite(cost[row, column]):
                break
            step = 2 + tried // 20  # at first the places nearby, then in wider steps
            cost[max(row - step, 0) : row + step + 1, max(column - step, 0) : column + step + 1] = np.inf
        if not is_free:
            found.append(None)
            continue
        found.append(corner)
        named[row : row + cells_high, column : column + cells_wide] = True
        pad = int(np.ceil(gap / CELL))
        blocked[max(row - pad, 0) : row + cells_high + pad, max(column - pad, 0) : column + cells_wide + pad] = True
        blocked |= below
    return found


def leader(
    own: Real[np.ndarray, "m 2"], corner: tuple[float, float], size: tuple[float, float], *, least: float
) -> Line | None:
    """The line from the nearest of a name's points to the name; None where it would be shorter than `least`.

    >>> leader(np.array([[0.0, 5.0], [0.0, 90.0]]), (40.0, 0.0), (60.0, 10.0), least=20.0)
    array([[ 0.,  5.],
           [40.,  5.]])
    """
    ends = np.clip(own, np.array(corner), np.array(corner) + np.array(size))
    far = np.hypot(*(ends - own).T)
    closest = int(far.argmin())
    return None if far[closest] < least else np.stack([own[closest], ends[closest]]).astype(float)


def _crossed(line: Line, columns: int, rows: int) -> Bool[np.ndarray, "rows columns"]:
    """The cells that a line passes through, and those beside them."""
    steps = int(2 * np.hypot(*(line[1] - line[0])) / CELL) + 2
    grid: Bool[np.ndarray, "rows columns"] = binary_dilation(
        _cells(np.linspace(line[0], line[1], steps), columns, rows), structure=np.ones((3, 3))
    )
    return grid


def _cells(points: Real[np.ndarray, "n 2"], columns: int, rows: int) -> Bool[np.ndarray, "rows columns"]:
    """The cells in which points lie; a point beyond the edge counts as on it."""
    grid = np.zeros((rows, columns), bool)
    at = np.floor(points / CELL).astype(np.int64)
    grid[at[:, 1].clip(0, rows - 1), at[:, 0].clip(0, columns - 1)] = True
    return grid


def _sums(grid: Bool[np.ndarray, "rows columns"], high: int, wide: int) -> Int[np.ndarray, "r c"]:
    """How many cells are set in the rectangle that begins at each cell, where it fits."""
    total = np.zeros((grid.shape[0] + 1, grid.shape[1] + 1), np.int64)
    total[1:, 1:] = grid.cumsum(axis=0).cumsum(axis=1)
    return total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]


def _cost(
    mine: Bool[np.ndarray, "rows columns"], others: Bool[np.ndarray, "rows columns"], high: int, wide: int
) -> Float[np.ndarray, "r c"]:
    """How far a rectangle lies from a name's own points; more where it is nearer to others' points than to its own."""
    rows, columns = mine.shape
    stop_row, stop_column = rows - high + 1, columns - wide + 1

    def nearest(grid: Bool[np.ndarray, "rows columns"]) -> Float[np.ndarray, "r c"]:
        far = distance_transform_edt(~grid)
        # The window of the filter begins at its cell.
        least = minimum_filter(far, size=(high, wide), origin=(-(high // 2), -(wide // 2)), mode="nearest")
        found: Float[np.ndarray, "r c"] = least[:stop_row, :stop_column]
        return found

    middle = np.argwhere(mine).mean(axis=0)
    row, column = np.mgrid[:stop_row, :stop_column]
    aside = np.hypot(row + high / 2 - middle[0], 2 * (column + wide / 2 - middle[1]))
    below = 0.5 * (row + high / 2 < middle[0])  # above rather than below, where both are as near
    cost = nearest(mine)
    cost = cost + 0.25 * aside + below
    if others.any():
        cost = cost + np.maximum(0.0, nearest(mine) + 2 - nearest(others))
    return np.asarray(cost, float)
