"""How the report of annotation QA looks; colours that people with any colour vision tell apart (Wong 2011)."""

STYLE = """
:root { --ink: #1f2933; --soft: #66727f; --line: #e3e8ed; --good: #009e73; --fair: #e69f00; --bad: #d55e00; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px; }
header { background: #fff; border-radius: 12px; border-left: 10px solid var(--soft); padding: 20px 28px; }
header.good { border-color: var(--good); } header.fair { border-color: var(--fair); }
header.bad { border-color: var(--bad); }
header p { margin: 0; color: var(--soft); } h1 { display: inline-block; margin: 0 16px 0 0; font-size: 30px; }
.verdict { display: inline-block; padding: 3px 14px; border-radius: 99px; color: #fff; font-weight: 600;
  vertical-align: 6px; background: var(--soft); }
.good .verdict { background: var(--good); } .fair .verdict { background: #b87d00; }
.bad .verdict { background: var(--bad); }
dl { display: flex; flex-wrap: wrap; gap: 8px 40px; margin: 14px 0 0; }
dl div { display: flex; flex-direction: column-reverse; } dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 22px; font-weight: 600; }
section { background: #fff; border-radius: 12px; padding: 16px 28px 20px; margin-top: 16px; }
h2 { font-size: 18px; margin: 4px 0 12px; } ul { margin: 0; padding-left: 20px; } li { margin: 4px 0; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-size: 13px; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.noise table { width: auto; } .noise td { vertical-align: middle; font-variant-numeric: tabular-nums; }
.noise td:last-child, .noise th:last-child { text-align: right; padding-right: 0; }
.tag { white-space: nowrap; padding: 1px 9px; border-radius: 99px; font-size: 13px; color: #fff; background: #56708a; }
.tag.block { background: var(--bad); } .tag.quarantine { background: #b87d00; }
.held, .legend, footer { color: var(--soft); font-size: 13px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(520px, 1fr)); gap: 18px 22px; }
figure { margin: 0; } .panels { display: flex; gap: 6px; align-items: flex-start; margin-top: 6px; }
.panels div { flex: 1; min-width: 0; } img { width: 100%; display: block; border-radius: 4px;
  image-rendering: pixelated; } small { color: var(--soft); }
figcaption { font-size: 13px; color: var(--soft); margin-top: 2px; } figcaption b { color: var(--ink); }
.legend span { margin-right: 18px; } .legend { margin: -6px 0 14px; } td b, .of { white-space: nowrap; }
.legend i { display: inline-block; width: 14px; height: 10px; border: 2px solid; margin-right: 6px; }
.rail { fill: var(--line); } .span { fill: #9ecae1; } .dot { fill: #0072b2; } footer { padding: 16px 28px; }
@media (max-width: 700px) { .gallery { grid-template-columns: 1fr; } main { padding: 8px; } }
"""
