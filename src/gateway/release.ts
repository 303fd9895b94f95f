/** The version of this package, kept equal to package.json by a test: it is stored with every attempt. */
export const RELEASE = '0.1.0';
