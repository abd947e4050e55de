import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.zip.Zip64Mode;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;

/** PackCommons OUT TREE BASE TOP: Apache Commons Compress, as Ant and Maven use it. */
public class PackCommons {
	static Path base, top;

	interface Member {
		void add(Path path, String name) throws IOException;
	}

	static void each(Member member) throws IOException {
		try (Stream<Path> paths = Files.walk(top)) {
			for (Path path : (Iterable<Path>) paths.sorted()::iterator)
				member.add(path, base.relativize(path).toString());
		}
	}

	static void zip(ZipArchiveOutputStream zip, Zip64Mode mode) throws IOException {
		try (zip) {
			zip.setUseZip64(mode);
			each((path, name) -> {
				zip.putArchiveEntry(new ZipArchiveEntry(path.toFile(), name));
				if (Files.isRegularFile(path))
					Files.copy(path, zip);
				zip.closeArchiveEntry();
			});
		}
	}

	public static void main(String[] arguments) throws IOException {
		base = Path.of(arguments[2]);
		top = base.resolve(arguments[3]);
		Path out = Path.of(arguments[0]);
		String lead = "java-packcommons-" + arguments[1];
		zip(new ZipArchiveOutputStream(out.resolve(lead + "-zip.zip").toFile()), Zip64Mode.AsNeeded);
		zip(new ZipArchiveOutputStream(out.resolve(lead + "-zip64.zip").toFile()), Zip64Mode.Always);
		OutputStream stream = Files.newOutputStream(out.resolve(lead + "-stream.zip"));
		zip(new ZipArchiveOutputStream(stream), Zip64Mode.AsNeeded);
		try (TarArchiveOutputStream tar = new TarArchiveOutputStream(
			     new GZIPOutputStream(Files.newOutputStream(out.resolve(lead + "-gz.tar.gz"))))) {
			tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
			each((path, name) -> {
				tar.putArchiveEntry(new TarArchiveEntry(path.toFile(), name));
				if (Files.isRegularFile(path))
					Files.copy(path, tar);
				tar.closeArchiveEntry();
			});
		}
		for (String how : new String[] { "zip.zip", "zip64.zip", "stream.zip", "gz.tar.gz" })
			System.out.println(lead + "-" + how);
	}
}
