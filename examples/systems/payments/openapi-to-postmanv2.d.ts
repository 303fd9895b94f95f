/** What is used of a package without types. https://github.com/postmanlabs/openapi-to-postman */
declare module 'openapi-to-postmanv2' {
  interface Conversion {
    readonly result: boolean;
    readonly reason?: string;
    readonly output?: readonly { readonly data: object }[];
  }
  const converter: {
    convertV2(
      input: { readonly type: 'json'; readonly data: object },
      options: Readonly<Record<string, string | boolean>>,
      done: (error: Error | null, conversion: Conversion) => void,
    ): void;
  };
  export default converter;
}
