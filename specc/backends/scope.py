"""How the nodes of an exported graph say, until they have names, which layer they are of."""

LAYER_SCOPE = "specc.layer."
"""What the names of a layer's nodes start with; the layer's number follows."""
