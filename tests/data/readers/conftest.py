import pytest

from eccvkit.errors import DataError


@pytest.fixture
def message():
    """Call a reader that must fail; give the text of its error, which must be one line."""

    def call(reader, *args, **options) -> str:
        with pytest.raises(DataError) as caught:
            reader(*args, **options)
        text = str(caught.value)
        assert "\n" not in text
        assert ": " in text  # a remedy follows the cause
        return text

    return call
