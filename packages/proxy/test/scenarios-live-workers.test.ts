/** Live scenarios again, viewers being served by two processes. */
process.env['FOREBAY_TEST_WORKERS'] = '2';
await import('./scenarios-live.test.js');
