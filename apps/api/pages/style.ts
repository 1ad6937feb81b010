/** The one style sheet of all pages: no fonts or pictures from elsewhere, light and dark by the system's setting. */
export const style = `
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --text: #16191d; --soft: #565d66; --line: #dcdfe4; --edge: #868e98;
  --accent: #0b57d0; --on-accent: #fff; --good: #146c2e; --bad: #b3261e; --field: #f4f5f7 }
@media (prefers-color-scheme: dark) { :root { --page: #101214; --card: #1a1d21; --text: #eceef1; --soft: #a5acb5;
  --line: #33383f; --edge: #7b838d; --accent: #a8c7fa; --on-accent: #0a2a5c; --good: #7fd694; --bad: #f2a9a3; --field: #101214 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.5;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { width: min(32rem, 100% - 2rem); margin: clamp(1rem, 8vh, 6rem) auto 2rem; padding: clamp(1.25rem, 5vw, 2.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem }
main.wide { width: min(46rem, 100% - 2rem) }
header { width: min(32rem, 100% - 2rem); margin: 1rem auto 0; font-weight: 700 }
header.wide { width: min(46rem, 100% - 2rem) }
header a { display: inline-block; padding: .5rem 0; color: var(--text); text-decoration: none }
header + main { margin-top: .5rem }
footer { display: flex; flex-wrap: wrap; justify-content: center; gap: .25rem 1.5rem; margin: 0 1rem 2rem; font-size: .875rem }
footer a { padding: .5rem 0; color: var(--soft) }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; text-wrap: balance }
h2 { font-size: 1.0625rem; margin: 1.75rem 0 .5rem }
p, ul, ol, dl { margin: 0 0 1rem; overflow-wrap: anywhere }
ul, ol { padding-left: 1.25rem }
li { margin: .25rem 0 }
dt { color: var(--soft); font-size: .875rem }
dd { margin: 0 0 .75rem; font-weight: 600; overflow-wrap: anywhere }
a { color: var(--accent) }
code, .code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9375em; overflow-wrap: anywhere }
pre.code, input.code, .copy input { display: block; width: 100%; margin: 0; padding: .75rem; color: inherit; background: var(--field);
  border: 1px solid var(--line); border-radius: .5rem; white-space: pre-wrap }
pre.code { margin-bottom: 1rem }
.soft { color: var(--soft) } .small { font-size: .875rem } .good { color: var(--good) } .bad { color: var(--bad) }
.note { margin: 0 0 1rem; padding: .75rem 1rem; border: 1px solid var(--line); border-left: .25rem solid var(--accent); border-radius: .5rem }
.actions + .note, form + .note { margin-top: 1.5rem }
.note.bad { border-left-color: var(--bad); color: inherit }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 0 }
button, .button { flex: 1 1 auto; min-width: 9rem; min-height: 2.75rem; padding: .625rem 1.25rem; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; border-radius: 2rem; border: 1px solid var(--line);
  background: transparent; color: var(--text) }
button.main, .button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent) }
button:hover, .button:hover { filter: brightness(.95) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
section { margin-top: 2rem; padding-top: 1.25rem; border-top: 1px solid var(--line) }
section > h2:first-child { margin-top: 0 }
label, legend { display: block; font-weight: 600; margin-bottom: .25rem; padding: 0 }
.field { margin: 0 0 1rem }
.field small { display: block; color: var(--soft); margin-top: .25rem }
textarea, input[type=url], input[type=text], input[type=file] { display: block; width: 100%; min-height: 2.75rem;
  padding: .625rem .75rem; font: inherit; color: inherit; background: var(--field); border: 1px solid var(--edge); border-radius: .5rem }
textarea { min-height: 7rem; resize: vertical }
[aria-invalid=true] { border-color: var(--bad) }
.fault { color: var(--bad); font-size: .875rem; margin: .25rem 0 0 }
.plain { flex: none; width: auto; min-width: 0; min-height: 0; padding: .25rem 0; border: 0; border-radius: .25rem; color: var(--accent);
  text-decoration: underline; font-weight: 400 }
.who { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: .25rem 1rem; margin: 0 0 1rem }
.who p { margin: 0 }
.quote { margin: 0 0 1rem; padding: .25rem 0 .25rem 1rem; border-left: .25rem solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere }
.badge { display: inline-block; padding: .0625rem .625rem; border: 1px solid currentColor; border-radius: 1rem; font-size: .8125rem;
  font-weight: 600; white-space: nowrap; color: var(--soft) }
.badge.good { color: var(--good) } .badge.bad { color: var(--bad) } .badge.busy { color: var(--accent) }
.more { margin: 1.25rem 0 0 }
.status { font-size: 1.125rem; margin-bottom: .75rem }
.rows { list-style: none; padding: 0; margin: 0 }
.rows > li { margin: 0; padding: .75rem 0; border-top: 1px solid var(--line) }
.rows > li:first-child { border-top: 0; padding-top: 0 }
.row { display: flex; align-items: baseline; justify-content: space-between; gap: .125rem 1rem }
.row > :first-child { min-width: 0; overflow-wrap: anywhere } .row.loose { flex-wrap: wrap } .badge { flex: none }
.timeline { list-style: none; padding: 0 0 0 1.25rem; margin: 0 0 0 .375rem; border-left: 2px solid var(--line) }
.timeline li { position: relative; margin: 0 0 .75rem }
.timeline li::before { content: ""; position: absolute; left: -1.625rem; top: .4375rem; width: .625rem; height: .625rem; border-radius: 50%;
  background: var(--soft); box-shadow: 0 0 0 3px var(--card) }
.timeline li:last-child::before { background: var(--accent) }
.timeline .small { display: block }
.copy { display: flex; gap: .5rem; margin: 0 0 .75rem; align-items: stretch }
.copy input { flex: 1; min-width: 0 }
.copy button { flex: none; min-width: 0; min-height: 2.75rem; padding: .25rem 1rem; border-radius: .5rem }
.copy + .copy { margin-top: 0 }
details { margin: 0 0 .75rem; border: 1px solid var(--line); border-radius: .75rem; padding: 0 1rem }
details[open] { padding-bottom: 1rem }
summary { cursor: pointer; font-weight: 600; padding: .75rem 0 }
table { border-collapse: collapse; width: 100%; margin: 0 0 1rem }
progress { appearance: none; display: block; flex: 1; width: 100%; height: .5rem; border: 0; border-radius: 1rem;
  overflow: hidden; background: var(--line); color: var(--accent) }
progress::-webkit-progress-bar { background: var(--line) } progress::-webkit-progress-value { background: var(--accent) }
progress::-moz-progress-bar { background: var(--accent) }
.bar { display: flex; align-items: center; gap: .75rem; margin: 0 0 .75rem } .bar span { min-width: 2.5rem; text-align: right }
.rows .bar { margin-bottom: 0 }
form + p { margin-top: 1rem }
@media (min-width: 44rem) { .wide .actions > * { flex: 0 1 auto; min-width: 12rem } }
@media (forced-colors: active) { button, .button { border: 2px solid } }
`;
