"""List, watch and keep objects of the API server. Knows kinds and bodies, not ModelServices; decides nothing."""
