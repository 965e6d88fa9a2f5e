// Byte strings that a broker must survive: each is sent behind a CONNECT that was accepted, and on its own. What found a fault goes
// in here and stays.

export interface HostileBytes {
  readonly what: string;
  readonly hex: string;
  /** Wrong for MQTT 5 wherever it stands: DISCONNECT with a reason follows. Else it is legal, unfinished or a matter of opinion. */
  readonly isWrong?: true;
}

const wrong = (what: string, hex: string): HostileBytes => ({ what, hex, isWrong: true });
const odd = (what: string, hex: string): HostileBytes => ({ what, hex });

export const corpus: readonly HostileBytes[] = [
  // Fixed header.
  wrong("packet type 0", "0000"),
  wrong("AUTH without a method", "f000"),
  wrong("CONNACK from a client", "20020000"),
  wrong("SUBACK from a client", "9003000100"),
  wrong("UNSUBACK from a client", "b0020001"),
  wrong("PINGRESP from a client", "d000"),
  wrong("remaining length of five bytes", "30ffffffff01"),
  wrong("remaining length padded to two bytes", "c08000"),
  wrong("remaining length padded to four bytes", "c0808000"),
  wrong("remaining length of 256 MiB", "30ffffff7f"),
  wrong("a byte more than the largest packet", "30ffff3f"),
  odd("only a first byte", "30"),
  odd("a length without its end", "30ff"),
  odd("a packet that promises a megabyte and brings two bytes", "30ffff030001"),
  wrong("SUBSCRIBE without its reserved flag", "8006000100000000"),
  wrong("PUBREL without its reserved flag", "60020001"),
  wrong("PINGREQ with flags", "c100"),
  wrong("PINGREQ with a body", "c00100"),
  wrong("PUBACK with flags", "4f020001"),
  // CONNECT.
  wrong("a second CONNECT", "100d00044d5154540402003c000161"),
  wrong("CONNECT with nothing in it", "1000"),
  wrong("CONNECT whose name is longer than the packet", "1004ffff4d51"),
  wrong("CONNECT with a will of QoS 3", "101200044d515454041e003c0001610001740000"),
  // PUBLISH.
  wrong("PUBLISH with QoS 3", "360700016100010078"),
  wrong("PUBLISH with DUP at QoS 0", "38050001610078"),
  wrong("PUBLISH with nothing in it", "3000"),
  wrong("PUBLISH with half a topic length", "300100"),
  wrong("PUBLISH whose topic is longer than the packet", "3005ffff617878"),
  wrong("PUBLISH without a topic and without an alias", "3003000000"),
  wrong("PUBLISH with identifier 0", "320700016100000078"),
  wrong("PUBLISH that ends within its identifier", "320400016101"),
  wrong("PUBLISH without a length of properties", "3003000161"),
  wrong("PUBLISH to a wildcard", "300500012b0078"),
  wrong("PUBLISH to bad UTF-8", "30050001ff0078"),
  wrong("PUBLISH to an overlong encoding", "30060002c0800078"),
  wrong("PUBLISH to half a surrogate pair", "30070003eda0800078"),
  wrong("PUBLISH to U+0000", "30050001000078"),
  wrong("PUBLISH with alias 0", "300700016103230000"),
  wrong("PUBLISH with an alias above the maximum", "30070001610323ffff"),
  wrong("PUBLISH with an alias that nobody has set", "3006000003230001"),
  wrong("PUBLISH with two aliases", "300a00016106230001230002"),
  wrong("PUBLISH with two expiries", "300e0001610a02000000010200000001"),
  wrong("PUBLISH with a subscription identifier", "3006000161020b01"),
  wrong("PUBLISH with a property of CONNECT", "30070001610321000a"),
  wrong("PUBLISH with a property that does not exist", "3006000161027f01"),
  wrong("PUBLISH with payload format 2", "3006000161020102"),
  wrong("PUBLISH with a response topic that has a wildcard", "3008000161040800012b"),
  wrong("PUBLISH with properties longer than the packet", "3005000161ff7f"),
  wrong("PUBLISH with a length of properties in five bytes", "3009000161ffffffff0100"),
  wrong("PUBLISH with a padded length of properties", "30050001618000"),
  wrong("PUBLISH with half a user property", "300700016103260001"),
  wrong("PUBLISH with a user property of bad UTF-8", "300b00016107260001ff000161"),
  // Acknowledgements.
  wrong("PUBACK with identifier 0", "40020000"),
  wrong("PUBACK with half an identifier", "400101"),
  wrong("PUBACK with nothing in it", "4000"),
  wrong("PUBREC with a reason that does not exist", "5003000142"),
  wrong("PUBREC with properties longer than the packet", "500400010009"),
  wrong("PUBCOMP with a property that does not belong there", "70070001000321000a"),
  wrong("PUBREL with bytes behind its properties", "62050001000000"),
  odd("PUBACK for what was never sent", "4002ffff"),
  odd("PUBREC for what was never sent", "5002ffff"),
  odd("PUBREL for what was never published", "6202ffff"),
  odd("PUBCOMP for what was never sent", "7002ffff"),
  odd("PUBREC with an error for what was never sent", "5003ffff80"),
  // SUBSCRIBE and UNSUBSCRIBE.
  wrong("SUBSCRIBE with nothing in it", "8200"),
  wrong("SUBSCRIBE without a filter", "8203000100"),
  wrong("SUBSCRIBE with identifier 0", "820700000000016100"),
  wrong("SUBSCRIBE without options", "8206000100000161"),
  wrong("SUBSCRIBE for QoS 3", "820700010000016103"),
  wrong("SUBSCRIBE with reserved options", "8207000100000161c0"),
  wrong("SUBSCRIBE with retain handling 3", "820700010000016130"),
  wrong("SUBSCRIBE with subscription identifier 0", "82090001020b0000016100"),
  wrong("SUBSCRIBE with two subscription identifiers", "820b0001040b010b0200016100"),
  wrong("SUBSCRIBE to bad UTF-8", "82070001000001ff00"),
  wrong("SUBSCRIBE to its own share of others", "820f00010000092473686172652f672f6104"),
  odd("SUBSCRIBE to a filter that is none", "82080001000002612300"),
  odd("SUBSCRIBE to a share without a filter", "820e00010000082473686172652f6700"),
  odd("SUBSCRIBE to an empty filter", "8206000100000000"),
  wrong("UNSUBSCRIBE without a filter", "a203000100"),
  wrong("UNSUBSCRIBE with identifier 0", "a206000000000161"),
  wrong("UNSUBSCRIBE with a filter longer than the packet", "a206000100000961"),
  odd("UNSUBSCRIBE from what is not subscribed to", "a206000100000161"),
  // DISCONNECT.
  wrong("DISCONNECT with a reason that only a server gives", "e0018e"),
  wrong("DISCONNECT with properties longer than the packet", "e0020005"),
  wrong("DISCONNECT that asks for a session in the end", "e00700051100000e10"),
  odd("DISCONNECT and more behind it", "e000c000"),
  // Other protocols.
  odd("a request of HTTP", "474554202f20485454502f312e310d0a0d0a"),
  odd("the beginning of TLS", "1603010200010001fc0303"),
];

export function bytesOf({ hex }: HostileBytes): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}
