import 'node-forge';

/** What node-forge offers and @types/node-forge does not know of. */
declare module 'node-forge' {
  namespace pki {
    function certificateExtensionsToAsn1(extensions: Certificate['extensions']): asn1.Asn1;
  }
  namespace util {
    function bytesToIP(bytes: Bytes): string;
    function bytesFromIP(address: string): Bytes | null;
  }
  namespace asn1 {
    function create(tagClass: Class, tag: number, constructed: boolean, value: Bytes | Asn1[]): Asn1;
    function fromDer(bytes: Bytes, options: { parseAllBytes: boolean; decodeBitStrings: boolean }): Asn1;
  }
}
