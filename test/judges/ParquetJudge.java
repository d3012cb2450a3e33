// parquet-java as a foreign reader and writer of encrypted Parquet.
//   read FILE KEY_HEX                     every row as a line of JSON: offset, id, target, SHA-256 of raw
//   filter FILE KEY_HEX COLUMN VALUE      offsets of the rows with that value, by row groups, dictionaries and records
//   write FILE KEY_HEX ROWS               a file with the columns tenant and raw
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.column.ParquetProperties.WriterVersion;
import org.apache.parquet.crypto.FileDecryptionProperties;
import org.apache.parquet.crypto.FileEncryptionProperties;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.filter2.predicate.FilterApi;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;

public class ParquetJudge {
  private static final HexFormat HEX = HexFormat.of();

  public static void main(String[] args) throws Exception {
    byte[] key = HEX.parseHex(args[2]);
    switch (args[0]) {
      case "read" -> read(args[1], key);
      case "filter" -> filter(args[1], key, args[3], args[4]);
      case "write" -> write(args[1], key, Integer.parseInt(args[3]));
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static ParquetReader<Group> open(String file, byte[] key, FilterCompat.Filter filter) throws Exception {
    FileDecryptionProperties decryption = FileDecryptionProperties.builder().withFooterKey(key).build();
    return ParquetReader.builder(new GroupReadSupport(), new Path("file://" + file))
        .withConf(new Configuration(false))
        .withDecryption(decryption)
        .withFilter(filter)
        .build();
  }

  private static String text(Group row, String column) {
    return row.getFieldRepetitionCount(column) == 0 ? "null" : "\"" + row.getString(column, 0) + "\"";
  }

  private static void read(String file, byte[] key) throws Exception {
    StringBuilder lines = new StringBuilder();
    try (ParquetReader<Group> reader = open(file, key, FilterCompat.NOOP)) {
      for (Group row = reader.read(); row != null; row = reader.read()) {
        byte[] raw = row.getBinary("raw", 0).getBytes();
        String digest = HEX.formatHex(MessageDigest.getInstance("SHA-256").digest(raw));
        long offset = row.getLong("partition_offset", 0);
        lines.append(String.format(
            "[%d,%s,%s,\"%s\"]%n", offset, text(row, "id"), text(row, "target"), digest));
      }
    }
    System.out.print(lines);
  }

  private static void filter(String file, byte[] key, String column, String value) throws Exception {
    FilterCompat.Filter filter =
        FilterCompat.get(FilterApi.eq(FilterApi.binaryColumn(column), Binary.fromString(value)));
    StringBuilder lines = new StringBuilder();
    try (ParquetReader<Group> reader = open(file, key, filter)) {
      for (Group row = reader.read(); row != null; row = reader.read())
        lines.append(row.getLong("partition_offset", 0)).append('\n');
    }
    System.out.print(lines);
  }

  private static void write(String file, byte[] key, int rows) throws Exception {
    MessageType schema =
        MessageTypeParser.parseMessageType("message m { optional binary tenant (STRING); optional binary raw; }");
    SimpleGroupFactory groups = new SimpleGroupFactory(schema);
    Configuration conf = new Configuration(false);
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(new Path("file://" + file))
            .withConf(conf)
            .withType(schema)
            .withWriterVersion(WriterVersion.PARQUET_1_0)
            .withCompressionCodec(CompressionCodecName.ZSTD)
            .withEncryption(FileEncryptionProperties.builder(key).build())
            .build()) {
      for (int row = 0; row < rows; row++) {
        Group group = groups.newGroup().append("tenant", "tenant-" + row % 3);
        byte[] raw = ("{\"row\":" + row + "}").getBytes(StandardCharsets.UTF_8);
        writer.write(group.append("raw", Binary.fromConstantByteArray(raw)));
      }
    }
  }
}
