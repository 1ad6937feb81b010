/** The one style sheet of all pages: no fonts or pictures from elsewhere, light and dark by the system's setting. */
export const style = `
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --text: #16191d; --soft: #565d66; --line: #dcdfe4;
  --accent: #0b57d0; --on-accent: #fff; --good: #146c2e; --bad: #b3261e; --field: #f4f5f7 }
@media (prefers-color-scheme: dark) { :root { --page: #101214; --card: #1a1d21; --text: #eceef1; --soft: #a5acb5;
  --line: #33383f; --accent: #a8c7fa; --on-accent: #0a2a5c; --good: #7fd694; --bad: #f2a9a3; --field: #101214 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.5;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { width: min(32rem, 100% - 2rem); margin: clamp(1rem, 8vh, 6rem) auto 2rem; padding: clamp(1.25rem, 5vw, 2.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem }
main.wide { width: min(46rem, 100% - 2rem) }
footer { width: min(32rem, 100% - 2rem); margin: 0 auto 2rem; text-align: center; color: var(--soft); font-size: .875rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; text-wrap: balance }
h2 { font-size: 1.0625rem; margin: 1.75rem 0 .5rem }
p, ul, ol, dl { margin: 0 0 1rem; overflow-wrap: anywhere }
ul, ol { padding-left: 1.25rem }
li { margin: .25rem 0 }
dt { color: var(--soft); font-size: .875rem }
dd { margin: 0 0 .75rem; font-weight: 600; overflow-wrap: anywhere }
a { color: var(--accent) }
code, .code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9375em; overflow-wrap: anywhere }
pre.code, input.code { display: block; width: 100%; margin: 0; padding: .75rem; color: inherit; background: var(--field);
  border: 1px solid var(--line); border-radius: .5rem; white-space: pre-wrap }
pre.code { margin-bottom: 1rem }
.soft { color: var(--soft) } .small { font-size: .875rem } .good { color: var(--good) } .bad { color: var(--bad) }
.note { padding: .75rem 1rem; border: 1px solid var(--line); border-left: .25rem solid var(--accent); border-radius: .5rem }
.note.bad { border-left-color: var(--bad); color: inherit }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 0 }
button, .button { flex: 1 1 9rem; min-height: 2.75rem; padding: .625rem 1.25rem; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; border-radius: 2rem; border: 1px solid var(--line);
  background: transparent; color: var(--text) }
button.main, .button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent) }
button:hover, .button:hover { filter: brightness(.95) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
progress { width: 100%; height: .75rem; accent-color: var(--accent) }
@media (forced-colors: active) { button, .button { border: 2px solid } }
`;
