/** The scenarios again, viewers being served by two processes, and over UDP datagram by datagram. */
process.env['FOREBAY_TEST_WORKERS'] = '2';
process.env['FOREBAY_TEST_UDP'] = 'dgram';
await import('./scenarios.test.js');
