/** The version of this package, kept equal to package.json by a test: it is stored with every attempt. */
export const RELEASE = '0.1.0';

/** What `/health` says this gateway does. */
export const FEATURES = {
  queue_based_processing: true,
  event_driven_architecture: true,
  scalable_webhook_delivery: true,
} as const;
