// Looks for the passphrase and the key in the memory of okv-luna-bundle, at two moments: while the content is being
// opened, when libcrypto must have the key (so the search is known to find it), and when the bundle takes its name,
// when neither may be anywhere.  strace holds the process at a system call meanwhile.
//
//   memory.js PROGRAM ROOT PASSPHRASE-FILE CARRIER
'use strict';
const { spawn } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const okvb = require('./okvb.js');

const [program, root, passFile, carrier] = process.argv.slice(2);
const secret = okvb.passphrase(passFile);
const file = fs.readFileSync(carrier);
const header = JSON.parse(file.subarray(6, file.indexOf(10, 6)).toString());
const key = crypto.pbkdf2Sync(secret, Buffer.from(header.salt, 'base64'), header.iterations, 32, 'sha256');

// What a sanitizer maps to keep its books in is larger than all that the program has.
const BOOKS = 2 ** 26;

function seen(pid) {
	const found = new Set();
	const memory = fs.openSync(`/proc/${pid}/mem`, 'r');
	for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
		const m = /^([0-9a-f]+)-([0-9a-f]+) r.*?(\S*)$/.exec(line);
		if (!m || m[3] === '[vvar]' || m[3] === '[vsyscall]')
			continue;
		const start = BigInt('0x' + m[1]), length = Number(BigInt('0x' + m[2]) - start);
		if (process.env.OKV_SANITIZED === '1' && length > BOOKS)
			continue;
		const bytes = Buffer.alloc(length);
		try {
			fs.readSync(memory, bytes, 0, length, start);
		} catch (e) {
			continue;
		}
		if (bytes.includes(secret))
			found.add('passphrase');
		if (bytes.includes(key))
			found.add('key');
	}
	fs.closeSync(memory);
	return found;
}

const children = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);

// Holds the program at `call` and hands what is seen in it to `judge`.
function held(name, call, judge) {
	return new Promise((done) => {
		const log = `${root}/trace-${call}`;
		const tracer = spawn('strace', ['-o', log, '-e', `trace=${call}`, '-e', `inject=${call}:delay_enter=2500000:when=1`,
			program, '-q', '--root', root, 'apply', '--passphrase-file', passFile, carrier], { stdio: 'inherit' });
		let looked = false;
		const timer = setInterval(() => {
			// strace writes the beginning of the call before the delay.
			if (looked || !fs.existsSync(log) || !fs.readFileSync(log, 'utf8').includes(`${call}(`))
				return;
			looked = true;
			const pid = children(tracer.pid)[0];
			judge(name, seen(pid));
		}, 50);
		tracer.on('close', (code) => {
			clearInterval(timer);
			if (!looked || code !== 0) {
				console.log(`${name}: not looked at, exit ${code}`);
				process.exitCode = 1;
			}
			done();
		});
	});
}

const words = (set) => ([...set].sort().join(' and ') || 'nothing') + ' seen';

(async () => {
	const copy = fs.readFileSync(carrier);
	await held('while it is open', 'write', (name, found) => {
		console.log(`${name}: ${words(found)}`);
		if ([...found].join() !== 'key')
			process.exitCode = 1;
	});
	fs.writeFileSync(carrier, copy, { mode: 0o600 });
	fs.rmSync(`${root}/usr/local/okv/hsm/hsmbundle`);
	await held('when it takes its name', 'renameat', (name, found) => {
		console.log(`${name}: ${words(found)}`);
		if (found.size > 0)
			process.exitCode = 1;
	});
})();
