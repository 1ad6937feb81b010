import { registerHooks } from 'node:module';

/** Loaded before a program with `--import`: prints the name of every package that the program loads, once. */
const seen = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(resolved.url) ?? [];
    if (name !== undefined && !seen.has(name)) process.stdout.write(`loaded ${name}\n`);
    if (name !== undefined) seen.add(name);
    return resolved;
  },
});
