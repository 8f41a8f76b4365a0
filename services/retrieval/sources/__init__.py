"""Where documents come from: a folder, a file, a zip, a sitemap. Each lists entries, read lazily.

port.py     Entry, Content, Refused, Source
ids.py      document ids from paths and URLs
open.py     `open_source(place)` picks the variant by what is there
folder.py  archive.py  sitemap.py    the variants
fetch.py    HTTP that goes nowhere it should not
"""
