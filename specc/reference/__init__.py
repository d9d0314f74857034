"""What specc knows of each layer, for people: `specc layers` and docs/layers.md.

Nothing is written down here a second time: it is read from the classes and their texts.
"""
