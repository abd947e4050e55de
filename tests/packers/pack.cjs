// pack.cjs PACKER OUT TREE BASE TOP: packs BASE/TOP in every way that the packer has; prints the archives' names.
const fs = require("fs");
const path = require("path");
const zlib = require("zlib");
const { pipeline } = require("stream/promises");
const [packer, out, tree, base, top] = process.argv.slice(2);

function* walk(dir) {
	const entries = fs.readdirSync(path.join(base, dir), { withFileTypes: true });
	for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
		const name = `${dir}/${entry.name}`;
		yield [name, entry];
		if (entry.isDirectory())
			yield* walk(name);
	}
}
const to = (how) => path.join(out, `node-${packer}-${tree}-${how}`);
const read = (name) => fs.readFileSync(path.join(base, name));
const made = (how) => console.log(path.basename(to(how)));

const packers = {
	async archiver(m) {
		const ways = [["zip", "zip.zip", {}], ["zip", "zip64.zip", { forceZip64: true }], ["tar", "gz.tar.gz", { gzip: true }]];
		for (const [format, how, options] of ways) {
			const archive = m(format, options);
			const file = fs.createWriteStream(to(how));
			const closed = new Promise((resolve) => file.on("close", resolve));
			archive.pipe(file);
			archive.directory(path.join(base, top), top);
			await archive.finalize();
			await closed;
			made(how);
		}
	},
	async "adm-zip"(M) {
		const zip = new M();
		zip.addLocalFolder(path.join(base, top), top);
		zip.writeZip(to("zip.zip"));
		made("zip.zip");
	},
	async yazl(m) {
		for (const [how, options] of [["zip.zip", {}], ["zip64.zip", { forceZip64Format: true }]]) {
			const zip = new m.ZipFile();
			for (const [name, entry] of walk(top))
				if (entry.isFile())
					zip.addFile(path.join(base, name), name, options);
			zip.end(options);
			await pipeline(zip.outputStream, fs.createWriteStream(to(how)));
			made(how);
		}
	},
	async tar(m) {
		await m.create({ cwd: base, file: to("gz.tar.gz"), gzip: true }, [top]);
		await m.create({ cwd: base, file: to("portable.tar"), portable: true }, [top]);
		made("gz.tar.gz");
		made("portable.tar");
	},
	async "tar-stream"(m) {
		const pack = m.pack();
		for (const [name, entry] of walk(top))
			if (entry.isFile())
				pack.entry({ name }, read(name));
			else if (entry.isDirectory())
				pack.entry({ name, type: "directory" });
		pack.finalize();
		await pipeline(pack, zlib.createGzip(), fs.createWriteStream(to("gz.tar.gz")));
		made("gz.tar.gz");
	},
	async jszip(M) {
		const ways = [
			["stored.zip", { platform: "DOS" }],
			["deflated.zip", { platform: "UNIX", compression: "DEFLATE" }],
			["stream.zip", { platform: "UNIX", compression: "DEFLATE", streamFiles: true }],
		];
		for (const [how, options] of ways) {
			const zip = new M();
			for (const [name, entry] of walk(top))
				if (entry.isFile())
					zip.file(name, read(name));
			fs.writeFileSync(to(how), await zip.generateAsync({ type: "nodebuffer", ...options }));
			made(how);
		}
	},
	async fflate(m) {
		const files = {};
		for (const [name, entry] of walk(top))
			if (entry.isFile())
				files[name] = new Uint8Array(read(name));
		fs.writeFileSync(to("zip.zip"), m.zipSync(files));
		made("zip.zip");
	},
	async compressing(m) {
		await m.zip.compressDir(path.join(base, top), to("zip.zip"));
		await m.tgz.compressDir(path.join(base, top), to("tgz.tar.gz"));
		made("zip.zip");
		made("tgz.tar.gz");
	},
};

packers[packer](require(packer)).catch((error) => {
	console.error(error.message);
	process.exit(1);
});
