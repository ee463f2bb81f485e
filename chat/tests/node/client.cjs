/*
 * An official client in Node: node client.cjs PACKAGE URL SCENARIO [COOKIE [MODE ...]]
 *
 * PACKAGE is a name in package.json, SCENARIO one of conversation.js, COOKIE the header. Prints a line of JSON for each part.
 */
'use strict';

const { createRequire } = require('node:module');
const { perform } = require('./conversation.js');

const fetched = createRequire(require.resolve('../../../channels_socketio/tests/node/package.json'));

const [name, url, scenario, cookie, ...modes] = process.argv.slice(2);
const options = cookie ? { extraHeaders: { Cookie: cookie } } : {};

const tell = (line) => console.log(JSON.stringify(line));
perform(scenario, fetched(name), url, options, tell, modes.length ? modes : undefined).then(() => process.exit());
