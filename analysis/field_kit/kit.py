"""Names photos by a field kit: `python kit.py kit.onnx photo.jpg ...` prints CSV; needs onnxruntime and Pillow only."""

import sys
from csv import writer

import numpy as np
from onnxruntime import InferenceSession, set_default_logger_severity
from PIL import Image


def resized(image: Image.Image, side: int, resize: str, interpolation: int) -> np.ndarray:
    reduced, _ = image.draft(None, (3 * side, 3 * side)), image.load()
    (w, h), turn = reduced[1][2:] if reduced else image.size, image.getexif().get(274, 1)
    if image.mode[0] in "IFC" or min(w, h) < 8 or max(w, h) > 50 * min(w, h):
        raise ValueError(f"{image.mode}, {w} x {h} pixels: save it as 8-bit RGB, no side under 8 pixels or 1/50")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.transpose(Image.Transpose((0, 3, 1, 5, 4, 6, 2)[turn - 2])) if turn in range(2, 9) else image
    w, h = (h, w) if turn in range(5, 9) else (w, h)
    x, y = (image.width - w) * (turn in (2, 3, 6, 7)), (image.height - h) * (turn in (3, 4, 7, 8))
    crop, pad = [int(side * n / min(w, h)) for n in (w, h)], [max(1, round(n / (max(w, h) / side))) for n in (w, h)]
    size = {"crop": crop, "pad": pad, "squash": [side, side]}[resize]
    return np.asarray(image.convert("RGB").resize(size, interpolation, (x, y, x + w, y + h)))


if __name__ == "__main__":
    rows, (path, *photos) = writer(sys.stdout, lineterminator="\n"), sys.argv[1:] if sys.argv[2:] else sys.exit(__doc__)
    _, sys.excepthook = set_default_logger_severity(3), lambda _, why, __: sys.stderr.write(f"error: {path}: {why!r}\n")
    left, _ = 0, sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    meta = (kit := InferenceSession(path, providers=["CPUExecutionProvider"])).get_modelmeta().custom_metadata_map
    rows.writerow(meta["columns"].split(",") if meta.get("kit") == "1" else sys.exit(f"{path} is no kit of format 1"))
    for photo in photos:
        try:
            seen = resized(Image.open(photo), int(meta["side"]), meta["resize"], int(meta["interpolation"]))
            answer, near, score = kit.run(["answer", "nearest", "score"], {"pixels": seen[None]})
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            left = sys.stderr.write(f"left out: {photo}: {error}\n")
        else:
            rows.writerow([photo, *answer[0][:2], f"{score[0]:.4f}", near[0], *answer[0][2:]])
    sys.exit(left > 0)
