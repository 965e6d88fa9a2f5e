// Texts of device classes for tests.
import { type ClassReader, createClassReader } from "#cloud/registry/device-class/class-reader.ts";
import { loadXmlLibrary } from "#cloud/registry/device-class/xml-library.ts";

export const loadReader = async (): Promise<ClassReader> => createClassReader(await loadXmlLibrary(() => undefined));

/** A schema around `content`, with the prefixes xs, c (our own attributes) and t (its target namespace). */
export function schemaOf(content: string): string {
  return `<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:c="urn:fogbank:device-class" xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">
${content}
</xs:schema>`;
}

/** A class of that name with `fields` in its sequence. */
export function classOf(name: string, fields: string): string {
  return schemaOf(
    `<xs:element name="${name}"><xs:complexType><xs:sequence>${fields}</xs:sequence></xs:complexType></xs:element>`,
  );
}

/** An instance of such a class. */
export function instanceOf(name: string, content: string): string {
  return `<${name} xmlns="urn:t">${content}</${name}>`;
}

/** A part of the documents, as its author wrote them. */
export const strandSchema = classOf(
  "neopixel-strand",
  `<xs:element name="id" type="xs:int"/><xs:element name="pin" type="xs:int"/><xs:element name="length" type="xs:int"/>`,
);

export const lightSchema = schemaOf(`
<xs:simpleType name="level"><xs:restriction base="xs:int"><xs:minInclusive value="0"/><xs:maxInclusive value="255"/></xs:restriction></xs:simpleType>
<xs:element name="light"><xs:complexType><xs:sequence>
  <xs:element name="state"><xs:simpleType><xs:restriction base="xs:string">
    <xs:enumeration value="On"/><xs:enumeration value="Off"/></xs:restriction></xs:simpleType></xs:element>
  <xs:element name="brightness" type="t:level" minOccurs="0"/>
  <xs:element name="rgb" type="t:level" minOccurs="0" maxOccurs="3"/>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="blink" c:role="command"><xs:complexType><xs:sequence>
  <xs:element name="times" type="xs:positiveInteger"/>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="reset" c:role="command"/>`);
