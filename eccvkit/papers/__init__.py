"""One module (or package) per paper of the volume, named by its slug.

Papers never import each other: what two need lives one floor down.
"""
