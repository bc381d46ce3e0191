/** flare.xml: byte for byte as the original writes it, and as tolerant a reader, but not more. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FlareError } from "../../../lib/base/errors.ts";
import { fromBigInt } from "../../../lib/base/uint64.ts";
import { ANY_DATA } from "../../../lib/cluster/data_identity.ts";
import { decodeFlareXml, encodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import type { ClusterNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNode } from "../../../lib/cluster/node.ts";
import { createNodeMap, EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";

const TEXT = `<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<!DOCTYPE boost_serialization>
<boost_serialization signature="serialization::archive" version="18">
<version>5</version>
<node_map class_id="0" tracking_level="0" version="0">
	<count>2</count>
	<item_version>0</item_version>
	<item class_id="1" tracking_level="0" version="0">
		<first>127.0.0.1:22121</first>
		<second class_id="2" tracking_level="0" version="0">
			<node_server_name>127.0.0.1</node_server_name>
			<node_server_port>22121</node_server_port>
			<node_role>0</node_role>
			<node_state>0</node_state>
			<node_partition>0</node_partition>
			<node_balance>1</node_balance>
			<node_thread_type>16</node_thread_type>
		</second>
	</item>
	<item>
		<first>127.0.0.1:22122</first>
		<second>
			<node_server_name>127.0.0.1</node_server_name>
			<node_server_port>22122</node_server_port>
			<node_role>2</node_role>
			<node_state>2</node_state>
			<node_partition>-1</node_partition>
			<node_balance>0</node_balance>
			<node_thread_type>17</node_thread_type>
		</second>
	</item>
</node_map>
<thread_type>18</thread_type>
</boost_serialization>

`;
const MAP = createNodeMap(
  5,
  [
    createNode({ host: "127.0.0.1", port: 22121, role: 0, state: 0, partition: 0, balance: 1, threadType: 16 }),
    createNode({ host: "127.0.0.1", port: 22122, role: 2, state: 2, partition: -1, balance: 0, threadType: 17 }),
  ],
  18,
);
/** The end of a file that also tells which data the nodes have. */
const DATA_TEXT = `<thread_type>18</thread_type>
<flare_kv_node_data>
	<node>127.0.0.1:22121 1f3a kept 7</node>
	<node>127.0.0.1:22122 any kept any</node>
</flare_kv_node_data>
`;
const [FIRST, SECOND] = MAP.nodes as [ClusterNode, ClusterNode];
const DATA_MAP = createNodeMap(
  5,
  [createNode({ ...FIRST, data: { id: "1f3a", kind: "kept", openings: ["7"] } }), createNode({ ...SECOND, data: ANY_DATA })],
  18,
);

function damaged(text: string): string {
  const error = assertThrows(() => decodeFlareXml(text), FlareError);
  assertEquals((error as FlareError).code, "CORRUPT");
  return (error as FlareError).message;
}

describe("flare.xml", () => {
  it("is written byte for byte", () => {
    assertEquals(encodeFlareXml(MAP), TEXT);
    assertEquals(encodeFlareXml(MAP, 4), TEXT.replace('version="18"', 'version="4"'));
  });

  it("is read", () => {
    assertEquals(decodeFlareXml(TEXT), MAP);
  });

  it("holds an empty map as an empty text or as one without items", () => {
    assertEquals(decodeFlareXml(""), EMPTY_NODE_MAP);
    assertEquals(decodeFlareXml(encodeFlareXml(EMPTY_NODE_MAP)), EMPTY_NODE_MAP);
  });

  it("may come from another Boost, without version, attributes and line breaks, and with elements behind the last", () => {
    for (const archive of ["4", "5", "99"])
      assertEquals(decodeFlareXml(TEXT.replace('version="18"', `version="${archive}"`)), MAP);
    assertEquals(decodeFlareXml(TEXT.replace("<version>5</version>\n", "")), createNodeMap(0, MAP.nodes, 18));
    assertEquals(decodeFlareXml(TEXT.replace("<version>5</version>", "<node_map_version>5</node_map_version>")), MAP);
    assertEquals(
      decodeFlareXml(
        TEXT.replaceAll(/ (class_id|tracking_level)="\d"/g, "").replaceAll(/(node_map|item|second) version="0"/g, "$1"),
      ),
      MAP,
    );
    assertEquals(decodeFlareXml(TEXT.replaceAll(/>\s+</g, "><").trim()), MAP);
    assertEquals(decodeFlareXml(TEXT.replaceAll("\n", "\r\n")), MAP);
    assertEquals(decodeFlareXml(TEXT.replace("</thread_type>", "</thread_type>\n<future><x>1</x></future>")), MAP);
  });

  it("is refused when anything else is wrong with it", () => {
    const replacements: [string, string][] = [
      [`<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\n`, ""],
      ["<!DOCTYPE boost_serialization>\n", ""],
      ["<version>5</version>", "<version>x</version>"],
      ["<version>5</version>", "<version>-5</version>"],
      ["<version>5</version>", "<version>18446744073709551616</version>"],
      ["<count>2</count>", "<count>3</count>"],
      ["<count>2</count>", "<count>1</count>"],
      ["<count>2</count>", "<count> 2</count>"],
      ["<count>2</count>", "<!-- two --><count>2</count>"],
      ["<node_role>0</node_role>", "<node_role>3</node_role>"],
      ["<node_state>0</node_state>", "<node_state>4</node_state>"],
      ["<node_partition>0<", "<node_partition>-2<"],
      ["<node_balance>1<", "<node_balance>2147483648<"],
      ["<node_balance>1<", "<node_balance>-1<"],
      ["<node_server_port>22121<", "<node_server_port>99999<"],
      ["<first>127.0.0.1:22121<", "<first>127.0.0.1:1<"],
      ["22122", "22121"],
      ["<thread_type>18</thread_type>", "<thread_type>17</thread_type>"],
      ["<thread_type>18</thread_type>", ""],
      ["</boost_serialization>", ""],
      ["</second>", ""],
    ];
    for (const [from, to] of replacements) {
      const text = from === "22122" ? TEXT.replaceAll(from, to) : TEXT.replace(from, to);
      assert(text !== TEXT && damaged(text).length > 0, `${from} -> ${to}`);
    }
    for (const text of ["garbage", " ", "<?xml ?>", TEXT + TEXT]) damaged(text);
  });

  it("tells behind everything else which data the nodes have", () => {
    const text = TEXT.replace("<thread_type>18</thread_type>\n", DATA_TEXT);
    assertEquals(encodeFlareXml(DATA_MAP), text);
    assertEquals(decodeFlareXml(text), DATA_MAP);
    // Of nodes that are gone nothing is remembered.
    assertEquals(decodeFlareXml(text.replace("<node>127.0.0.1:22121 1f3a", "<node>127.0.0.1:1 1f3a")).nodes[0], FIRST);
    for (const [from, to] of [
      ["1f3a kept 7", "1f3a"],
      ["1f3a kept 7", "1f3a kept x"],
      ["1f3a kept 7", "1f3a kept 7 7"],
      ["1f3a kept 7", "1f3a lost 7"],
      ["any kept any", "some kept any"],
      ["</flare_kv_node_data>", ""],
    ] as const) {
      assert(damaged(text.replace(from, to)).length > 0, `${from} -> ${to}`);
    }
  });

  it("is refused wherever it was cut off", () => {
    for (let length = 1; length < TEXT.length - "</boost_serialization>\n\n".length; length += 7)
      damaged(TEXT.slice(0, length));
  });

  it("says what is wrong and where", () => {
    assertEquals(
      damaged(TEXT.replace("<node_role>0<", "<node_role>7<")),
      '"7" is not a valid number for <node_role>, before character 547',
    );
  });

  it("comes back as it went, whatever the names", () => {
    const node = fc
      .record({
        host: fc.string({
          minLength: 1,
          maxLength: 12,
          unit: fc.constantFrom("a", "&", "<", ">", "'", '"', ";", "é", "-", "lt;"),
        }),
        port: fc.integer({ min: 0, max: 65535 }),
        role: fc.constantFrom<NodeRole[]>(0, 1, 2),
        state: fc.constantFrom<NodeState[]>(0, 1, 2, 3),
        partition: fc.integer({ min: -1, max: 1023 }),
        balance: fc.nat({ max: 0x7fffffff }),
        threadType: fc.nat({ max: 999 }),
      })
      .map(createNode);
    const nodes = fc.uniqueArray(node, { selector: ({ key }) => key, maxLength: 8 });
    fc.assert(
      fc.property(nodes, fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }), (list, version) => {
        const map = createNodeMap(fromBigInt(version), list, 1000);
        assertEquals(decodeFlareXml(encodeFlareXml(map)), map);
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});
