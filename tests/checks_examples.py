"""Tables and arguments over which both engines of checks are compared."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import duckdb
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mlpi.checks.engine.dtypes import KNOWN
from mlpi.checks.engine.table import Column, Table, quoted

TYPES = {
    "i": "BIGINT",
    "j": "INTEGER",
    "f": "DOUBLE",
    "g": "FLOAT",
    "m": "DECIMAL(12,2)",
    "s": "VARCHAR",
    "t": "VARCHAR",
    "d": "TIMESTAMP",
    "e": "DATE",
    "b": "BOOLEAN",
}
NUMBERS, TEXTS, TIMES, ALL = "ijfgm", "st", "de", "ijfgmstdeb"

WORDS = [
    "",
    "a",
    "b",
    "ab",
    "A b",
    "1",
    "a1",
    "x\ny",
    "a\n",
    "ß",
    "é",
    "e\u0301",
    "日本",
    "🙂",
    "o'x",
]
WORDS += ["%", "a_b", "\x0b", "\u00a0", "ſ", "nan", "None", "a]b", "\\", "it's {table}"]


def table_of(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Sequence[Any]], names: str = ALL
) -> Table:
    """Rows of the columns above, NaN being NULL already, as whoever opens a source does it."""
    declared = ", ".join(f"{quoted(name)} {TYPES[name]}" for name in names)
    connection.execute(f"CREATE OR REPLACE TABLE given ({declared})")
    if rows:
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO given VALUES ({marks})", [list(row) for row in rows])
    parts = [
        f"nullif({name}, 'NaN') AS {name}" if TYPES[name] in ("DOUBLE", "FLOAT") else name
        for name in names
    ]
    connection.execute(f"CREATE OR REPLACE VIEW seen AS SELECT {', '.join(parts)} FROM given")
    return Table(connection, "seen", tuple(Column(name, TYPES[name]) for name in names))


def _values(name: str) -> SearchStrategy[Any]:
    if name in "ij":
        wide = st.integers(-(2**62), 2**62) if name == "i" else st.integers(-(2**31), 2**31 - 1)
        return st.one_of(st.integers(0, 3), st.integers(0, 3), st.integers(-3, 5), wide)
    if name in "fg":
        size = 64 if name == "f" else 32
        few = st.sampled_from([-1.5, 0.0, -0.0, 0.5, 2.25, 3.0, math.nan, math.inf, -math.inf])
        return st.one_of(few, few, st.floats(-10, 10, width=size), st.floats(width=size))
    if name == "m":
        return st.decimals(-1000, 1000, places=2)
    if name in TEXTS:
        return st.one_of(st.sampled_from(WORDS), st.text("ab1é \n", max_size=4))
    if name == "d":
        few = st.sampled_from(
            [dt.datetime.fromisoformat(f"2020-01-0{day}T05") for day in (1, 2, 3)]
        )
        near = st.datetimes(*map(dt.datetime.fromisoformat, ("2020-01-01", "2020-01-03")))
        return st.one_of(few, near, st.datetimes())
    if name == "e":
        return st.dates(dt.date(2019, 12, 30), dt.date(2020, 1, 4))
    return st.booleans()


def rows(names: str = ALL) -> SearchStrategy[list[tuple[Any, ...]]]:
    """None to 40 rows, some columns whole, some with gaps, some empty."""

    def column(name: str) -> SearchStrategy[SearchStrategy[Any]]:
        whole, gaps = _values(name), st.one_of(st.none(), _values(name))
        return st.sampled_from([whole, whole, whole, gaps, gaps, gaps, st.none()])

    def filled(columns: tuple[SearchStrategy[Any], ...]) -> SearchStrategy[list[tuple[Any, ...]]]:
        row = st.tuples(*columns)
        return st.one_of(
            st.lists(row, max_size=3),
            st.lists(row, min_size=15, max_size=40),
            st.lists(row, min_size=8, max_size=40),
            st.lists(row, min_size=8, max_size=40),
            # The same rows again: duplicates are rare otherwise.
            st.lists(row, min_size=1, max_size=6).map(lambda some: some * 3),
        )

    return st.tuples(*map(column, names)).flatmap(filled)


_number = st.one_of(
    st.integers(0, 3), st.integers(-4, 6), st.sampled_from([-1.5, 0.5, 2.25, 3.0, 1e10])
)
_moment = st.sampled_from(["2020-01-01", "2020-01-02T00:00:00", "2020-01-02 05:00:00.001500"])
_share = st.floats(0, 1)
_flag = st.booleans()


_ABSENT = object()


def _fixed(required: dict[str, Any], **optional: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Optional arguments are there every other time; fixed_dictionaries leaves most away."""
    maybe = {
        name: st.booleans().flatmap(lambda is_there, one=one: one if is_there else st.just(_ABSENT))
        for name, one in optional.items()
    }
    return st.fixed_dictionaries({**required, **maybe}).map(
        lambda made: {name: value for name, value in made.items() if value is not _ABSENT}
    )


def _condition() -> SearchStrategy[dict[str, Any]]:
    def comparison(name: str) -> SearchStrategy[dict[str, Any]]:
        if name in TEXTS:
            parameter: SearchStrategy[Any] = st.sampled_from(WORDS)
        else:
            parameter = _moment if name in TIMES else _number
        operators = ["==", "!=", "<", "<=", ">", ">="]
        return st.fixed_dictionaries(
            {
                "type": st.just("comparison"),
                "column": st.just({"name": name}),
                "operator": st.sampled_from(operators),
                "parameter": parameter,
            }
        )

    def inside(name: str) -> SearchStrategy[dict[str, Any]]:
        members = st.lists(
            st.sampled_from(WORDS[1:6]) if name in TEXTS else st.integers(-2, 4), min_size=1
        )
        return st.fixed_dictionaries(
            {
                "type": st.just("comparison"),
                "column": st.just({"name": name}),
                "operator": st.sampled_from(["IN", "NOT_IN"]),
                "parameter": members,
            }
        )

    nullity = st.builds(
        lambda name, is_null: {"type": "nullity", "column": {"name": name}, "is_null": is_null},
        st.sampled_from(ALL),
        _flag,
    )
    one = st.one_of(
        nullity,
        st.sampled_from(NUMBERS + TEXTS + "d").flatmap(comparison),
        st.sampled_from("ijfs").flatmap(inside),
    )
    two = st.builds(
        lambda kind, parts: {"type": kind, "conditions": parts},
        st.sampled_from(["and", "or"]),
        st.lists(one, min_size=2, max_size=3),
    )
    return st.one_of(one, one, two)


def _where() -> SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.just({}),
        st.just({}),
        _condition().map(lambda condition: {"row_condition": condition}),
        st.sampled_from(
            ['col("i") > 1', 'col("s") == "a"', 'col("f").notnull()', 'col("f") <= 2.25']
        ).map(lambda text: {"row_condition": text, "condition_parser": "great_expectations"}),
    )


def _with_where(made: SearchStrategy[dict[str, Any]]) -> SearchStrategy[dict[str, Any]]:
    return st.builds(lambda kwargs, where: {**kwargs, **where}, made, _where())


def _column(
    names: str, required: Any = lambda _: {}, **optional: SearchStrategy[Any]
) -> SearchStrategy[dict[str, Any]]:
    """Arguments of an expectation about a column; required: by the column's name."""

    def of(name: str) -> SearchStrategy[dict[str, Any]]:
        return _fixed({"column": st.just(name), **required(name)}, **optional)

    return _with_where(st.sampled_from(names).flatmap(of))


def _bounds(names: str, plain: SearchStrategy[Any] = _number) -> SearchStrategy[dict[str, Any]]:
    def of(name: str) -> SearchStrategy[dict[str, Any]]:
        value = _moment if name in TIMES else plain
        pair = st.lists(value, min_size=2, max_size=2).map(
            lambda ends: sorted(ends, key=lambda end: str(end) if name in TIMES else float(end))
        )
        both = pair.map(lambda ends: {"min_value": ends[0], "max_value": ends[1]})
        single = st.one_of(
            both,
            value.map(lambda end: {"min_value": end}),
            value.map(lambda end: {"max_value": end}),
        )
        strict = st.sampled_from(
            [
                {},
                {"strict_min": True},
                {"strict_max": True},
                {"strict_min": True, "strict_max": True},
            ]
        )
        return st.builds(lambda ends, flags: {"column": name, **ends, **flags}, single, strict)

    return _with_where(st.sampled_from(names).flatmap(of))


def _mostly(made: SearchStrategy[dict[str, Any]]) -> SearchStrategy[dict[str, Any]]:
    share = st.sampled_from([{}, {}, {"mostly": 0.5}, {"mostly": 0.9}, {"mostly": 1}])
    return st.builds(lambda kwargs, mostly: {**kwargs, **mostly}, made, share)


def _members(name: str) -> SearchStrategy[list[Any]]:
    if name in "ij":
        one: SearchStrategy[Any] = st.one_of(st.integers(-3, 5), st.sampled_from([1.5, 2.0]))
    elif name in NUMBERS:
        one = st.sampled_from([-1.5, 0, 0.5, 2.25, 3, 1.1])
    else:
        one = _flag if name == "b" else st.sampled_from(WORDS)
    return st.lists(one, min_size=1, max_size=4)


def _set(names: str, **optional: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    return _column(names, lambda name: {"value_set": _members(name)}, **optional)


PATTERNS = ["^a", "a$", "^[a-z]+$", r"\d", r"\w+", r"^\S+$", r"[\s,]", r"\s", "(?i)A", ".", "^$"]
PATTERNS += ["x.y", "(?s)x.y", "é", r"\bb", r"a\Z", "[^a]b?", "a|b$", "a{1,2}", "[]a]", "(?m)^y"]
PATTERNS += [r"(?=a)", r"(a)\1", r"[^\S]", "a{,2}", r"\{table\}", "(?i:B)c?"]
LIKE = ["a%", "_", "%b%", "é", "%", "", "__", "a_b", "%\n%"]

_pattern = st.sampled_from(PATTERNS)
_patterns = st.lists(_pattern, min_size=1, max_size=2)
_like = st.sampled_from(LIKE)
_likes = st.lists(_like, min_size=1, max_size=2)
_match_on = st.sampled_from(["any", "all"])


def _pair(pairs: Sequence[str], **optional: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    ways = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
    return st.sampled_from(pairs).flatmap(
        lambda pair: _mostly(
            _fixed(
                {"column_A": st.just(pair[0]), "column_B": st.just(pair[1])},
                ignore_row_if=ways,
                **optional,
            )
        )
    )


def _list(lists: Sequence[str], **required: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    ways = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
    return _mostly(
        _with_where(
            _fixed(
                {"column_list": st.sampled_from(lists).map(list), **required}, ignore_row_if=ways
            )
        )
    )


def _pair_sets() -> SearchStrategy[dict[str, Any]]:
    def of(pair: str) -> SearchStrategy[dict[str, Any]]:
        each = [st.one_of(st.none(), _members(name).map(lambda some: some[0])) for name in pair]
        return _pair([pair]).flatmap(
            lambda kwargs: st.lists(st.tuples(*each).map(list), min_size=1, max_size=4).map(
                lambda pairs: {**kwargs, "value_pairs_set": pairs}
            )
        )

    return st.sampled_from(["ij", "if", "st", "is"]).flatmap(of)


_quantiles = {
    "quantile_ranges": st.fixed_dictionaries(
        {
            "quantiles": st.lists(_share, min_size=2, max_size=2),
            "value_ranges": st.sampled_from([[[None, 2], [0, 5]], [[-1, 1.5], [2, None]]]),
        }
    )
}
_columns = st.sampled_from([list(ALL), list(ALL[:3]), [*ALL, "z"], list(reversed(ALL))])
_count = st.integers(0, 12)
_type = st.sampled_from(sorted(KNOWN))

ARGUMENTS: dict[str, SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_be_between": _mostly(_bounds(NUMBERS + TIMES)),
    "expect_column_values_to_be_in_set": _mostly(_set(NUMBERS + TEXTS + "b")),
    "expect_column_values_to_not_be_in_set": _mostly(_set(NUMBERS + TEXTS + "b")),
    "expect_column_values_to_be_null": _mostly(_column(ALL)),
    "expect_column_values_to_not_be_null": _mostly(_column(ALL)),
    "expect_column_values_to_be_unique": _mostly(_column(ALL)),
    "expect_column_values_to_be_increasing": _mostly(_column(NUMBERS + TIMES, strictly=_flag)),
    "expect_column_values_to_be_decreasing": _mostly(_column(NUMBERS + TIMES, strictly=_flag)),
    "expect_column_value_lengths_to_equal": _mostly(
        _column("ijst", lambda _: {"value": st.integers(0, 3)})
    ),
    "expect_column_value_lengths_to_be_between": _mostly(
        _column(
            "ijst",
            lambda _: {"min_value": st.integers(0, 2)},
            max_value=st.integers(0, 4),
            strict_min=_flag,
            strict_max=_flag,
        )
    ),
    "expect_column_values_to_match_regex": _mostly(_column("ist", lambda _: {"regex": _pattern})),
    "expect_column_values_to_not_match_regex": _mostly(
        _column("ist", lambda _: {"regex": _pattern})
    ),
    "expect_column_values_to_match_regex_list": _mostly(
        _column("ist", lambda _: {"regex_list": _patterns}, match_on=_match_on)
    ),
    "expect_column_values_to_not_match_regex_list": _mostly(
        _column("ist", lambda _: {"regex_list": _patterns})
    ),
    "expect_column_values_to_match_like_pattern": _mostly(
        _column("st", lambda _: {"like_pattern": _like})
    ),
    "expect_column_values_to_not_match_like_pattern": _mostly(
        _column("st", lambda _: {"like_pattern": _like})
    ),
    "expect_column_values_to_match_like_pattern_list": _mostly(
        _column("st", lambda _: {"like_pattern_list": _likes}, match_on=_match_on)
    ),
    "expect_column_values_to_not_match_like_pattern_list": _mostly(
        _column("st", lambda _: {"like_pattern_list": _likes})
    ),
    "expect_column_pair_values_to_be_equal": _pair(["ij", "if", "fg", "st", "de", "im"]),
    "expect_column_pair_values_a_to_be_greater_than_b": _pair(
        ["ij", "if", "fg", "st", "de", "im"], or_equal=_flag
    ),
    "expect_column_pair_values_to_be_in_set": _pair_sets(),
    "expect_compound_columns_to_be_unique": _list(["ij", "st", "is", "de", "fb", "ijs"]),
    "expect_multicolumn_sum_to_equal": _list(["ij", "if", "fg", "ijf", "fgm"], sum_total=_number),
    "expect_multicolumn_values_to_be_equal": _list(["ij", "if", "fg", "st", "ijf", "de"]),
    "expect_select_column_values_to_be_unique_within_record": _list(
        ["ij", "fg", "st", "ijf", "de"]
    ),
    "expect_column_max_to_be_between": _bounds(NUMBERS + TIMES),
    "expect_column_min_to_be_between": _bounds(NUMBERS + TIMES),
    "expect_column_mean_to_be_between": _bounds(NUMBERS),
    "expect_column_median_to_be_between": _bounds(NUMBERS),
    "expect_column_stdev_to_be_between": _bounds(NUMBERS),
    "expect_column_sum_to_be_between": _bounds(NUMBERS),
    "expect_column_quantile_values_to_be_between": _column(NUMBERS, lambda _: _quantiles),
    "expect_column_unique_value_count_to_be_between": _bounds(NUMBERS + TEXTS + "b", _count),
    "expect_column_proportion_of_unique_values_to_be_between": _bounds(NUMBERS + TEXTS, _share),
    "expect_column_proportion_of_non_null_values_to_be_between": _bounds(NUMBERS + TEXTS, _share),
    "expect_column_distinct_values_to_be_in_set": _set(NUMBERS + TEXTS),
    "expect_column_distinct_values_to_contain_set": _set(NUMBERS + TEXTS),
    "expect_column_distinct_values_to_equal_set": _set(NUMBERS + TEXTS),
    "expect_column_most_common_value_to_be_in_set": _set(NUMBERS + TEXTS, ties_okay=_flag),
    "expect_column_value_z_scores_to_be_less_than": _mostly(
        _column(
            NUMBERS,
            lambda _: {"threshold": st.sampled_from([0.5, 1, 2, -1]), "double_sided": _flag},
        )
    ),
    "expect_column_values_to_not_be_outliers": _mostly(
        _column(
            NUMBERS,
            method=st.sampled_from(["iqr", "std"]),
            multiplier=st.sampled_from([0.5, 1, 1.5]),
        )
    ),
    "expect_column_values_to_be_of_type": _fixed({"column": st.sampled_from(ALL), "type_": _type}),
    "expect_column_values_to_be_in_type_list": _fixed(
        {"column": st.sampled_from(ALL), "type_list": st.lists(_type, min_size=1, max_size=2)}
    ),
    "expect_column_type_to_be": _fixed({"column": st.sampled_from(ALL), "type_": _type}),
    "expect_column_to_exist": _fixed(
        {"column": st.sampled_from("isz")}, column_index=st.sampled_from([0, 1, 5, -10, 40])
    ),
    "expect_table_column_count_to_equal": _fixed({"value": st.sampled_from([9, 10])}),
    "expect_table_column_count_to_be_between": _fixed(
        {"min_value": st.sampled_from([9, 11, None]), "max_value": st.sampled_from([9, 12, None])}
    ),
    "expect_table_columns_to_match_ordered_list": _fixed({"column_list": _columns}),
    "expect_table_columns_to_match_set": _fixed({"column_set": _columns}, exact_match=_flag),
    "expect_table_row_count_to_equal": _with_where(_fixed({"value": _count})),
    "expect_table_row_count_to_be_between": _with_where(
        _fixed({"min_value": _count}, max_value=st.integers(12, 50), strict_min=_flag)
    ),
}
