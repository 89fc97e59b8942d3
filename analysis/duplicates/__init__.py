"""Pictures that show one photograph: same bytes, same look (mirrored, cropped, resized, recoloured too), or near vectors."""
