"""``python -m eccvkit`` is the command line."""

from eccvkit.cli import main

if __name__ == "__main__":
    main()
