"""Real stores for the tests of the loader: each starts on an address that the test gives, and ends with it.

`tools/` pins what they are made of. The node tier starts the same servers inside its node, where pods reach them.
"""
