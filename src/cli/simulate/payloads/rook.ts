/**
 * ROOK's documents, version 2: summaries of a day, and events. `together` is what ROOK sends at once for one user when
 * a data source has synchronised: three summaries and eight events.
 */
import type { Draw } from './draw.ts';
import { json, type Make, type ProviderPayloads } from './payload.ts';

const CLIENT = '7c1d4f58-9f0e-4a51-8c65-2d9f3b6e1a07';
const SOURCES = ['Oura', 'Garmin', 'Fitbit', 'Polar', 'Withings', 'Apple Health', 'Health Connect'] as const;

type Fields = Readonly<Record<string, unknown>>;

/** The envelope of every document. */
function document(draw: Draw, structure: string, health: Fields) {
  return json(
    {
      auto_detected: false,
      client_uuid: CLIENT,
      data_structure: structure,
      document_version: 1,
      user_id: userOf(draw),
      version: 2,
      ...health,
    },
    ['User-Agent', 'rook-webhook/2.0'],
  );
}

const userOf = ({ subject }: Draw): string => `member-${subject.slice(0, 16)}`;

function metadata(draw: Draw, datetime: string): Fields {
  return {
    datetime_string: datetime,
    sources_of_data_array: [draw.pick(SOURCES)],
    user_id_string: userOf(draw),
  };
}

/** What a summary is about is the day before, as ROOK writes days. */
function summary(pillar: string, structure: string, fields: (draw: Draw) => Fields): Make {
  return (draw) =>
    document(draw, structure, {
      [pillar]: {
        summary: {
          [structure]: {
            metadata: metadata(draw, `${draw.day(-1)}T00:00:00.000000Z`),
            ...fields(draw),
            non_structured_data_array: [],
          },
        },
      },
    });
}

function event(pillar: string, structure: string, fields: (draw: Draw) => Fields): Make {
  return (draw) => {
    const datetime = `${draw.iso(-draw.int(60, 7200)).slice(0, -1)}${draw.digits(3)}Z`;
    return document(draw, structure, {
      [pillar]: {
        events: {
          [structure]: [
            {
              metadata: {
                ...metadata(draw, datetime),
                was_the_user_under_physical_activity_bool: pillar === 'physical_health',
              },
              ...fields(draw),
              non_structured_data_array: [],
            },
          ],
        },
      },
    });
  };
}

function heartRate(draw: Draw): Fields {
  const resting = draw.int(46, 68);
  return {
    hr_maximum_bpm_int: resting + draw.int(60, 110),
    hr_minimum_bpm_int: resting - draw.int(1, 5),
    hr_avg_bpm_int: resting + draw.int(8, 25),
    hr_resting_bpm_int: resting,
    hr_granular_data_array: samples(draw, (at) => ({ hr_bpm_int: resting + draw.int(0, 40), datetime_string: at })),
    hrv_avg_rmssd_float: draw.float(22, 90),
    hrv_avg_sdnn_float: null,
    hrv_sdnn_granular_data_array: [],
    hrv_rmssd_granular_data_array: [],
  };
}

/** A few measurements, ten minutes apart. */
function samples(draw: Draw, make: (at: string) => Fields): readonly Fields[] {
  return Array.from({ length: draw.int(2, 6) }, (_, index) => make(draw.iso(-600 * (index + 1))));
}

function oxygenation(draw: Draw): Fields {
  return {
    saturation_avg_percentage_int: draw.int(94, 99),
    saturation_granular_data_array: samples(draw, (at) => ({
      saturation_percentage_int: draw.int(93, 100),
      datetime_string: at,
    })),
    vo2max_mL_per_min_per_kg_int: draw.int(32, 58),
    vo2_granular_data_array: [],
  };
}

function sleep(draw: Draw): Fields {
  const [light, rem, deep, awake] = [
    draw.int(9000, 15_000),
    draw.int(3600, 7200),
    draw.int(3000, 6600),
    draw.int(600, 3000),
  ];
  return {
    duration: {
      sleep_start_datetime_string: `${draw.day(-2)}T22:${String(draw.int(10, 59))}:00.000000Z`,
      sleep_end_datetime_string: `${draw.day(-1)}T06:${String(draw.int(10, 59))}:00.000000Z`,
      sleep_date_string: `${draw.day(-1)}T00:00:00.000000Z`,
      sleep_duration_seconds_int: light + rem + deep,
      time_in_bed_seconds_int: light + rem + deep + awake,
      light_sleep_duration_seconds_int: light,
      rem_sleep_duration_seconds_int: rem,
      deep_sleep_duration_seconds_int: deep,
      time_to_fall_asleep_seconds_int: draw.int(120, 1500),
      time_awake_during_sleep_seconds_int: awake,
    },
    scores: {
      sleep_quality_rating_1_5_score_int: draw.int(1, 5),
      sleep_efficiency_1_100_score_int: draw.int(70, 97),
      sleep_goal_seconds_int: 28_800,
      sleep_continuity_1_5_score_int: null,
    },
    heart_rate: heartRate(draw),
    temperature: {
      temperature_delta_object: {
        temperature_celsius_float: draw.float(-0.6, 0.6, 2),
        measurement_type_string: 'skin',
      },
      temperature_granular_data_array: [],
    },
    breathing: {
      breaths_minimum_per_min_int: draw.int(10, 12),
      breaths_avg_per_min_int: draw.int(13, 15),
      breaths_maximum_per_min_int: draw.int(16, 20),
      breathing_granular_data_array: [],
      snoring_events_count_int: null,
      saturation_avg_percentage_int: draw.int(93, 99),
    },
  };
}

function physical(draw: Draw): Fields {
  const steps = draw.int(1800, 19_000);
  return {
    activity: {
      active_seconds_int: draw.int(1200, 9000),
      rest_seconds_int: draw.int(25_000, 33_000),
      low_intensity_seconds_int: draw.int(600, 5400),
      moderate_intensity_seconds_int: draw.int(0, 3600),
      vigorous_intensity_seconds_int: draw.int(0, 1800),
      inactivity_seconds_int: draw.int(30_000, 52_000),
      activity_level_granular_data_array: [],
    },
    calories: {
      calories_net_intake_kcal_float: null,
      calories_expenditure_kcal_float: draw.float(1700, 3400),
      calories_net_active_kcal_float: draw.float(150, 1400),
      calories_basal_metabolic_rate_kcal_float: draw.float(1400, 2000),
    },
    distance: {
      steps_int: steps,
      active_steps_int: Math.round(steps * 0.8),
      walked_distance_meters_float: Math.round(steps * 7.4) / 10,
      traveled_distance_meters_float: Math.round(steps * 7.9) / 10,
      floors_climbed_float: draw.int(0, 30),
      steps_granular_data_array: [],
    },
    heart_rate: heartRate(draw),
    oxygenation: oxygenation(draw),
    stress: stress(draw),
  };
}

function stress(draw: Draw): Fields {
  return {
    stress_at_rest_duration_seconds_int: draw.int(10_000, 30_000),
    stress_duration_seconds_int: draw.int(5000, 20_000),
    stress_avg_level_int: draw.int(12, 70),
    stress_maximum_level_int: draw.int(71, 99),
    stress_granular_data_array: [],
  };
}

function bodyMetrics(draw: Draw): Fields {
  const [weight, height] = [draw.float(52, 108, 2), draw.int(152, 199)];
  return {
    waist_circumference_cm_int: null,
    bone_composition_percentage_int: draw.int(3, 5),
    muscle_composition_percentage_int: draw.int(33, 48),
    water_composition_percentage_int: draw.int(48, 63),
    weight_kg_float: weight,
    height_cm_int: height,
    bmi_float: Math.round((weight / (height / 100) ** 2) * 10) / 10,
  };
}

function bloodPressure(draw: Draw): Fields {
  return {
    blood_pressure_avg_object: { systolic_mmHg_int: draw.int(104, 139), diastolic_mmHg_int: draw.int(64, 89) },
    blood_pressure_granular_data_array: [],
  };
}

function bloodGlucose(draw: Draw): Fields {
  return {
    blood_glucose_avg_mg_per_dL_int: draw.int(78, 132),
    blood_glucose_granular_data_array: samples(draw, (at) => ({
      blood_glucose_mg_per_dL_int: draw.int(70, 160),
      datetime_string: at,
    })),
  };
}

function activity(draw: Draw): Fields {
  return {
    activity: {
      activity_start_datetime_string: draw.iso(-3900),
      activity_end_datetime_string: draw.iso(-300),
      activity_duration_seconds_int: 3600,
      activity_type_name_string: draw.pick(['Running', 'Cycling', 'Swimming', 'Strength training', 'Walking']),
      active_seconds_int: draw.int(2400, 3600),
      low_intensity_seconds_int: draw.int(300, 1200),
    },
    calories: {
      calories_expenditure_kcal_float: draw.float(180, 900),
      calories_net_active_kcal_float: draw.float(150, 800),
    },
    distance: { steps_int: draw.int(2000, 9000), traveled_distance_meters_float: draw.float(1500, 30_000) },
    heart_rate: heartRate(draw),
    movement: { velocity_avg_object: { velocity_meters_per_second_float: draw.float(1, 9, 2) } },
  };
}

const PHYSICAL = 'physical_health';
const BODY = 'body_health';

/** Of the two heart-rate events of a burst, the second was measured during an exercise, of the other pillar. */
const types = {
  sleep_summary: summary('sleep_health', 'sleep_summary', sleep),
  physical_summary: summary(PHYSICAL, 'physical_summary', physical),
  body_summary: summary(BODY, 'body_summary', (draw) => ({
    body_metrics: bodyMetrics(draw),
    blood_glucose: bloodGlucose(draw),
    blood_pressure: bloodPressure(draw),
    heart_rate: heartRate(draw),
    oxygenation: oxygenation(draw),
    hydration: { water_total_consumption_mL_int: draw.int(700, 3200), hydration_amount_granular_data_array: [] },
    nutrition: { calories_intake_kcal_float: draw.float(1400, 3100), protein_intake_g_float: draw.float(40, 180) },
    temperature: {
      temperature_avg_object: { temperature_celsius_float: draw.float(36, 37.4), measurement_type_string: 'body' },
    },
  })),
  heart_rate_event: (draw: Draw) =>
    event(draw.pick([BODY, PHYSICAL]), 'heart_rate_event', () => ({ heart_rate: heartRate(draw) }))(draw),
  oxygenation_event: event(BODY, 'oxygenation_event', (draw) => ({ oxygenation: oxygenation(draw) })),
  activity_event: event(PHYSICAL, 'activity_event', activity),
  stress_event: event(PHYSICAL, 'stress_event', (draw) => ({ stress: stress(draw) })),
  blood_pressure_event: event(BODY, 'blood_pressure_event', (draw) => ({ blood_pressure: bloodPressure(draw) })),
  blood_glucose_event: event(BODY, 'blood_glucose_event', (draw) => ({ blood_glucose: bloodGlucose(draw) })),
  body_metrics_event: event(BODY, 'body_metrics_event', (draw) => ({ body_metrics: bodyMetrics(draw) })),
} satisfies ProviderPayloads['types'];

export const rook: ProviderPayloads = {
  types,
  together: [...Object.keys(types).slice(0, 4), ...Object.keys(types).slice(3)],
};
