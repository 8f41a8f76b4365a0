"""Untrusted files to pieces of text, in a process of its own that may be killed.

sandbox.py    the client: bytes in, `ReadDocument` or `Rejected` out, whatever the file does
__main__.py   the server: forks a bounded child for each file
kinds.py      what a file really is, by its content
document.py   any kind to Markdown and what the document says about itself
front.py  html.py  pdf.py  docx.py  table.py    one file per kind
"""
