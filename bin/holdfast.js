#!/usr/bin/env node
// Looks at the version of Node before anything newer is parsed: plain syntax that Node 12 reads, no static import.

/** The range of `engines` in package.json: the first versions with SQLite 3.51.3 built in. */
function isSupported(version) {
  var parts = version.split('.').map(Number);
  if (parts[0] === 22) return parts[1] > 22 || (parts[1] === 22 && parts[2] >= 3);
  if (parts[0] === 24) return parts[1] >= 15;
  return parts[0] > 24;
}

if (isSupported(process.versions.node)) {
  // A checkout runs its sources as they are; a published package holds only dist.
  void import('node:fs').then(function (fs) {
    var source = new URL('../src/cli/main.ts', import.meta.url);
    return import(fs.existsSync(source) ? source.href : '../dist/cli/main.js');
  });
} else {
  console.error(
    'holdfast needs Node ^22.22.3 or >=24.15, this is ' +
      process.versions.node +
      '. Run it with `npx --package=node@24 --package=holdfast holdfast`, or install Node 24.',
  );
  process.exitCode = 1;
}
