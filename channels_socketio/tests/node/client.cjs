/*
 * An official client in Node: node client.cjs PACKAGE URL SCENARIO [COOKIE [MODE ...]]
 *
 * PACKAGE is a name in package.json, SCENARIO one of conversation.js, COOKIE the header. Prints a line of JSON for each part.
 */
'use strict';

const { perform } = require('./conversation.js');

const [name, url, scenario, cookie, ...modes] = process.argv.slice(2);
const options = cookie ? { extraHeaders: { Cookie: cookie } } : {};

const tell = (line) => console.log(JSON.stringify(line));
perform(scenario, require(name), url, options, tell, modes.length ? modes : undefined).then(() => process.exit());
