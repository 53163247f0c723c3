"""Builds a release: everything that a user installs, in one directory, from one commit.

    make release IMAGE_PREFIX=registry.example/team    # or: python -m release --image-prefix ...

The same commit and the same Debian packages give the same bytes, in any directory (docs/adr/0043-releases.md).

- `settings`, `source`: names and the commit
- `distributions`, `manifests`, `notes`: wheel and sdist; install.yaml and the chart; the section of the changelog
- `image`, `images`: OCI archives; `packages`, `licences`, `sbom`: their content
- `build`: all of it, with checksums
"""
