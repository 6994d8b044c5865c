-- Version 6: devices by enrolment and by tier, and incidents by device, are found without reading whole tables.

CREATE INDEX device_by_enrolment ON device (enrolled, thumbprint);
CREATE INDEX device_by_tier ON device (tier, enrolled, thumbprint);
CREATE INDEX incident_by_device ON incident (thumbprint, id);
