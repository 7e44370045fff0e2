"""The report of annotation QA as one HTML file: no script, no font and no picture from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from components.annotation.noise import ALL, Noise, Rate
from components.annotation.page_style import STYLE
from components.annotation.validation import RuleResult
from components.annotation.verdict import shown
from components.pictures.picture import Picture
from components.pictures.thumbnails import data_uri

if TYPE_CHECKING:
    from components.annotation.check import QualityReport

KIND = {"pass": "good", "pass with quarantine": "fair", "fail": "bad"}
WORD = {"block": "blocks", "quarantine": "leaves out", "warn": "to review"}
MOST_RATES = 24
BAR = 160  # width of a noise rate of 1, in px


def page(report: QualityReport, cases: Mapping[str, Sequence[Picture]], suspects: Sequence[Picture]) -> str:
    """The whole page: verdict, reasons, rules, the worst cases of each broken rule, label noise, suspects."""
    outcome = report.verdict.outcome
    body = [
        f'<header class="{KIND[outcome]}"><p>Annotation QA</p><h1>{escape(report.dataset)}</h1>'
        f'<span class="verdict">{outcome}</span>{_facts(report)}</header>',
        _section("Why", _list(report.verdict.failures)) if report.verdict.failures else "",
        _section("Rules", _rules(report.results)),
        _section("Worst cases of each broken rule", _worst(report.results, cases)) if cases else "",
        _section("Label noise", _noise(report.noise)) if report.noise else "",
        _section("Suspects, those first whose correction is worth most", _gallery(suspects)) if suspects else "",
        "<footer>What is left out no training learns from; chips and scenes that break a rule stay in the score. "
        "Data Docs: docs/index.html. Rows: quarantine.parquet.</footer>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>QA of {escape(report.dataset)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _facts(report: QualityReport) -> str:
    actions = [each.action for each in report.verdict.quarantine]
    facts = {
        "scenes": report.scenes,
        "chips": report.chips,
        "rules broken": sum(not each.passed for each in report.results),
        "of pixels left out": f"{report.verdict.left_out_fraction:.1%}",
        "windows to review": actions.count("review"),
    }
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in facts.items())}</dl>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in sentences)}</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr></thead><tbody>{cells}</tbody></table>"
    )


def _rules(results: Sequence[RuleResult]) -> str:
    """Broken rules first; those that hold folded away below."""
    broken = [each for each in results if not each.passed]
    held = [each for each in results if each.passed]
    names = ", ".join(escape(each.name) for each in held)
    rows = (
        (
            f'<b class="{each.severity}">{escape(each.name)}</b>',
            f'<span class="tag {each.severity}">{WORD[each.severity]}</span>',
            f'<span class="of">{len(each.failing)} of {each.rows}</span>',
            escape(shown(each.failing, 4)),
            escape(each.remedy),
        )
        for each in broken
    )
    table = _table(("rule", "", "rows", "broken by", "what to do"), rows) if broken else "<p>Every rule holds.</p>"
    return f'{table}<p class="held"><b>{len(held)} rules hold:</b> {names}</p>'


def _worst(results: Sequence[RuleResult], cases: Mapping[str, Sequence[Picture]]) -> str:
    """The pictures of all rules, those that block first."""
    order = sorted(results, key=lambda each: list(WORD).index(each.severity))
    figures = [
        _figure(picture, f'<span class="tag {result.severity}">{escape(result.name)}</span>')
        for result in order
        for picture in cases.get(result.name, ())
    ]
    return _grid(figures, [picture for pictures in cases.values() for picture in pictures])


def _gallery(pictures: Sequence[Picture]) -> str:
    return _grid([_figure(picture) for picture in pictures], pictures)


def _grid(figures: Sequence[str], pictures: Sequence[Picture]) -> str:
    legend = {name: colour for each in pictures for name, colour in each.legend.items()}
    marks = "".join(
        f'<span><i style="border-color: rgb({red}, {green}, {blue})"></i>{escape(name)}</span>'
        for name, (red, green, blue) in legend.items()
    )
    return f'<p class="legend">{marks}</p><div class="gallery">{"".join(figures)}</div>'


def _figure(picture: Picture, mark: str = "") -> str:
    panels = "".join(
        f'<div><img src="{data_uri(panel)}" alt="{escape(f"{name} of {picture.title}")}">'
        f"<small>{escape(name)}</small></div>"
        for name, panel in picture.panels.items()
    )
    caption = f"<b>{escape(picture.title)}</b> {escape(picture.caption)}"
    return f'<figure>{mark}<div class="panels">{panels}</div><figcaption>{caption}</figcaption></figure>'


def _noise(noise: Noise) -> str:
    """The rates of all places together, then of the places where they are highest."""
    places = sorted(
        (each for each in noise.rates if each.place != ALL),
        key=lambda each: (-(each.low if each.low is not None else -1.0), each.place, each.label),
    )
    shown_rates = [*(each for each in noise.rates if each.place == ALL), *places[:MOST_RATES]]
    rows = ((escape(each.place), escape(each.label), _bar(each), str(each), f"{each.pixels:,}") for each in shown_rates)
    told = (
        f"<p>Share of each label that models contradict which learnt elsewhere ({escape(noise.how)}), by confident "
        "learning; intervals of 95 % over blocks, over places for all of them. "
    )
    left = (
        f"Not judged, as they stand in too few places: {escape(', '.join(noise.unjudged))}. " if noise.unjudged else ""
    )
    more = f"The {MOST_RATES} highest of {len(places)}." if len(places) > MOST_RATES else ""
    table = _table(("place", "label", "", "wrong", "pixels judged"), rows)
    return f'{told}{left}{more}</p><div class="noise">{table}</div>'


def _bar(rate: Rate) -> str:
    low, high = (rate.rate, rate.rate) if rate.low is None or rate.high is None else (rate.low, rate.high)
    return (
        f'<svg width="{BAR}" height="14" role="img" aria-label="{rate}"><rect width="{BAR}" y="5" height="4" rx="2" '
        f'class="rail"/><rect x="{BAR * low:.1f}" width="{max(BAR * (high - low), 2):.1f}" y="4" height="6" rx="3" '
        f'class="span"/><circle cx="{min(max(BAR * rate.rate, 4), BAR - 4):.1f}" cy="7" r="4" class="dot"/></svg>'
    )
