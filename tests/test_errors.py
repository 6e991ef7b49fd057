from eccvkit.errors import unknown


def test_names_that_hold_commas_are_told_apart():
    told = str(unknown("metric", "x", ["type", "type, no mask"]))
    assert told == "unknown metric 'x': Valid: type; type, no mask"
