#!/usr/bin/env node
// By itself SIGHUP would end a server that is still being loaded; what has changed by then is read anyway.
if (process.argv[2] === 'serve') process.on('SIGHUP', () => undefined);
await import('../dist/src/main.js');
