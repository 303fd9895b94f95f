/** ROOK's documents, and what the application makes of them. */
import { Reject } from 'holdfast';

type Fields = Readonly<Record<string, unknown>>;

/** One measurement of a document, the summary of a day or an event. */
interface Measured extends Fields {
  readonly metadata: { readonly datetime_string: string };
}

interface Pillar {
  readonly summary?: Readonly<Record<string, Measured>>;
  readonly events?: Readonly<Record<string, readonly Measured[]>>;
}

/** What of a document the application reads. */
export interface RookDocument {
  readonly user_id: string;
  readonly data_structure: string;
  readonly document_version: number;
  readonly sleep_health?: Pillar;
  readonly physical_health?: Pillar;
  readonly body_health?: Pillar;
}

/** What is stored of one kind of data: which document it is from, and its values. */
export interface Reading {
  readonly measuredAt: string;
  readonly version: number;
  readonly values: Fields;
}

interface Kind {
  readonly name: string;
  /** Its values, with where each is in a document. */
  readonly values: Readonly<Record<string, string>>;
}

/** By data structure: the kind it becomes. */
export const kinds: Readonly<Record<string, Kind>> = {
  sleep_summary: { name: 'sleep', values: { seconds: 'duration.sleep_duration_seconds_int' } },
  physical_summary: { name: 'activity', values: { steps: 'distance.steps_int' } },
  body_summary: { name: 'body', values: { weightKg: 'body_metrics.weight_kg_float', bmi: 'body_metrics.bmi_float' } },
  heart_rate_event: { name: 'heartRate', values: { restingBpm: 'heart_rate.hr_resting_bpm_int' } },
  oxygenation_event: { name: 'oxygenation', values: { percent: 'oxygenation.saturation_avg_percentage_int' } },
  activity_event: { name: 'workout', values: { type: 'activity.activity_type_name_string' } },
  stress_event: { name: 'stress', values: { level: 'stress.stress_avg_level_int' } },
  blood_pressure_event: { name: 'bloodPressure', values: { average: 'blood_pressure.blood_pressure_avg_object' } },
  blood_glucose_event: { name: 'bloodGlucose', values: { mgPerDl: 'blood_glucose.blood_glucose_avg_mg_per_dL_int' } },
  body_metrics_event: { name: 'bodyMetrics', values: { heightCm: 'body_metrics.height_cm_int' } },
};

/** @throws Reject when the document has nothing of what its structure says */
export function readingOf(document: RookDocument, { values }: Kind): Reading {
  const measured = measuredOf(document);
  const measuredAt = measured?.metadata.datetime_string;
  if (measured === undefined || measuredAt === undefined) {
    throw new Reject(`No ${document.data_structure} in the document.`);
  }
  return {
    measuredAt,
    version: document.document_version,
    values: Object.fromEntries(Object.entries(values).map(([name, path]) => [name, valueAt(measured, path)])),
  };
}

function measuredOf(document: RookDocument): Measured | undefined {
  const { data_structure: structure, sleep_health, physical_health, body_health } = document;
  const found = [sleep_health, physical_health, body_health].map(
    (pillar) => pillar?.summary?.[structure] ?? pillar?.events?.[structure]?.[0],
  );
  return found.find((one) => one !== undefined);
}

function valueAt(measured: Measured, path: string): unknown {
  return (
    path.split('.').reduce<unknown>((value, name) => (value as Fields | null | undefined)?.[name], measured) ?? null
  );
}
