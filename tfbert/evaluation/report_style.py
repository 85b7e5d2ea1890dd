"""The report's style sheet: Okabe and Ito's blue and orange, which colour-blind eyes tell apart, on light and dark."""

STYLE = """\
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1c2127; --quiet: #5b6570; --line: #dfe3e8; --blue: #0072b2; --blue-rgb: 0 114 178;
  --orange: #c24f00; --tint: #f5f7f9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181c; --ink: #e6eaee; --quiet: #a0abb6; --line: #333b44; --blue: #56b4e9; --blue-rgb: 86 180 233;
    --orange: #f0913a; --tint: #1c2228;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 64rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { margin: 0; font-size: 1rem; font-weight: 600; color: var(--quiet); }
h2 { margin: 3.5rem 0 .25rem; padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: 1.35rem; }
h3 { margin: 2rem 0 .25rem; font-size: 1rem; }
p { margin: .25rem 0 1rem; max-width: 44rem; }
.verdict {
  margin: .5rem 0 .75rem; max-width: none; font-size: clamp(1.3rem, 1rem + 1.6vw, 1.9rem); line-height: 1.3;
  font-weight: 600; letter-spacing: -.01em; text-wrap: pretty;
}
.note, figcaption, caption { color: var(--quiet); font-size: .9rem; }
.warnings {
  margin: 1rem 0; padding: .75rem 1rem .75rem 2rem; border-left: 4px solid var(--orange); background: var(--tint);
}
.healthy { color: var(--quiet); }
.sentence { margin: 1.75rem 0 .25rem; max-width: 52rem; font-size: 1.05rem; }
.gap { background: rgb(var(--blue-rgb) / .18); color: inherit; border-radius: 2px; padding: 0 .15em; }
.samples { width: 100%; table-layout: fixed; }
.samples th:first-child { width: 16%; overflow-wrap: anywhere; }
.samples th.number { text-align: left; }
.samples td span { display: inline-block; margin-right: .6em; overflow-wrap: anywhere; }
.samples small { color: var(--quiet); }
.hit { font-weight: 650; color: var(--blue); }
.wide { overflow-x: auto; margin: .75rem 0 1.25rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .4rem .9rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: 0; }
thead th { color: var(--quiet); font-weight: 500; vertical-align: bottom; }
tbody th { font-weight: 500; }
tfoot th, tfoot td { border-bottom: 0; font-weight: 600; }
.number { text-align: right; }
td.number { white-space: nowrap; }
th.number { max-width: 8rem; }
.strong > * { font-weight: 650; }
.bar { width: 34%; min-width: 8rem; padding-right: 0; vertical-align: middle; }
.bar span { display: block; height: .7rem; border-radius: 2px; background: rgb(var(--blue-rgb) / .35); }
.strong .bar span { background: var(--blue); }
.scores { width: 100%; }
.scores thead th:last-child { text-align: left; }
.confusion td { min-width: 5.5rem; text-align: center; border: 2px solid var(--page); line-height: 1.25; }
.confusion td:first-of-type { padding-left: .9rem; }
.confusion thead th { text-align: center; border-bottom: 0; }
.confusion tbody th { border-bottom: 0; vertical-align: middle; }
.confusion small { display: block; color: var(--ink); opacity: .8; }
.facts th { width: 38%; color: var(--quiet); font-weight: 400; }
.facts { width: 100%; max-width: 44rem; }
.facts td, code { overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.5rem 2.5rem; }
.pair > * { min-width: 0; }
figure { margin: 1rem 0; max-width: 34rem; }
svg { display: block; width: 100%; height: auto; font-family: inherit; overflow: visible; }
figcaption { margin-top: .25rem; }
.mistakes { width: 100%; }
.mistakes td:first-child { width: 60%; overflow-wrap: anywhere; }
details summary { cursor: pointer; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9em; }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; }
  table { font-size: .85rem; }
  th, td { padding: .4rem .35rem; }
  .scores .bar, .scores thead th:last-child { display: none; }
  .confusion td { min-width: 4.4rem; }
  .samples { font-size: .8rem; }
  .mistakes thead { display: none; }
  .mistakes tr {
    display: grid; grid-template-columns: 1fr 1fr auto; padding: .6rem 0; border-bottom: 1px solid var(--line);
  }
  .mistakes td { padding: .1rem .6rem .1rem 0; border: 0; }
  .mistakes td:first-child { grid-column: 1 / -1; width: auto; }
  .mistakes td[data-name]::before { content: attr(data-name) " "; color: var(--quiet); font-size: .85em; }
}
@media print { details { display: block; } h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""
