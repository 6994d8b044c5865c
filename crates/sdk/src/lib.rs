//! The app zone: sensors, the device slice, signed requests.
