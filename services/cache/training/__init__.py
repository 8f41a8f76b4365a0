"""Training of the cache's pair classifier, apart from the product: needs requirements/train.txt.

split.py    pairs cleaned; held out so that no question is on both sides
model.py    the network
loop.py     the optimisation
export.py   the network as int8 ONNX
swaps.py    more pairs by swapping what decides
ship.py     calibration and figures of what is exported
recipe.py   all of it in order
"""
