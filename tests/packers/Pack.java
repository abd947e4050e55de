import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Pack OUT TREE BASE TOP: java.util.zip, which writes data descriptors. */
public class Pack {
	public static void main(String[] arguments) throws IOException {
		Path base = Path.of(arguments[2]);
		String name = "java-pack-" + arguments[1] + "-zip.zip";
		try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(Path.of(arguments[0], name)));
		     Stream<Path> paths = Files.walk(base.resolve(arguments[3]))) {
			for (Path path : (Iterable<Path>) paths.sorted()::iterator) {
				String member = base.relativize(path).toString();
				zip.putNextEntry(new ZipEntry(Files.isDirectory(path) ? member + "/" : member));
				if (!Files.isDirectory(path))
					Files.copy(path, zip);
				zip.closeEntry();
			}
		}
		System.out.println(name);
	}
}
