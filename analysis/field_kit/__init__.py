"""One file that names pictures without Cladescope, by ONNX Runtime and Pillow alone, and the runner that asks it."""
