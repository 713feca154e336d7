CREATE TABLE current_marks (
	reader VARCHAR(200) NOT NULL,
	image VARCHAR(20) NOT NULL,
	reading INTEGER NOT NULL,
	landmark VARCHAR(200) NOT NULL,
	version INTEGER NOT NULL,
	x DOUBLE PRECISION,
	y DOUBLE PRECISION,
	state VARCHAR(13) NOT NULL,
	how VARCHAR(12) NOT NULL,
	at VARCHAR(27) NOT NULL,
	PRIMARY KEY (reader, image, reading, landmark)
);
CREATE TABLE events (
	id BIGSERIAL NOT NULL,
	event_id VARCHAR(36) NOT NULL,
	at VARCHAR(27) NOT NULL,
	reader VARCHAR(200) NOT NULL,
	reading INTEGER NOT NULL,
	image VARCHAR(20) NOT NULL,
	pixels VARCHAR(64),
	landmark VARCHAR(200) NOT NULL,
	version INTEGER NOT NULL,
	from_x DOUBLE PRECISION,
	from_y DOUBLE PRECISION,
	from_state VARCHAR(13) NOT NULL,
	x DOUBLE PRECISION,
	y DOUBLE PRECISION,
	state VARCHAR(13) NOT NULL,
	how VARCHAR(12) NOT NULL,
	model VARCHAR(200),
	PRIMARY KEY (id),
	UNIQUE (reader, reading, image, landmark, version),
	UNIQUE (event_id)
);
CREATE TABLE images (
	id VARCHAR(20) NOT NULL,
	name VARCHAR(1000) NOT NULL,
	ordinal INTEGER NOT NULL,
	here BOOLEAN NOT NULL,
	stamp VARCHAR(60) NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	spacing_x_mm DOUBLE PRECISION,
	spacing_y_mm DOUBLE PRECISION,
	spacing_source VARCHAR(40),
	patient VARCHAR(200),
	pixels VARCHAR(64),
	PRIMARY KEY (id),
	UNIQUE (name)
);
CREATE INDEX images_by_name ON images (here, ordinal);
CREATE TABLE proposals (
	image VARCHAR(20) NOT NULL,
	model VARCHAR(200) NOT NULL,
	pixels VARCHAR(64) NOT NULL,
	uncertainty DOUBLE PRECISION,
	content TEXT NOT NULL,
	PRIMARY KEY (image, model)
);
CREATE TABLE radmark_meta (
	key VARCHAR(40) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (key)
);
CREATE TABLE readers (
	name VARCHAR(200) NOT NULL,
	since VARCHAR(27) NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE remarks (
	id BIGSERIAL NOT NULL,
	event_id VARCHAR(36),
	at VARCHAR(27) NOT NULL,
	reader VARCHAR(200) NOT NULL,
	reading INTEGER NOT NULL,
	image VARCHAR(20) NOT NULL,
	kind VARCHAR(12) NOT NULL,
	content TEXT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (event_id)
);
CREATE TABLE sessions (
	secret VARCHAR(64) NOT NULL,
	reader VARCHAR(200) NOT NULL,
	ends VARCHAR(27) NOT NULL,
	PRIMARY KEY (secret)
);
CREATE TABLE items (
	reader VARCHAR(200) NOT NULL,
	image VARCHAR(20) NOT NULL,
	reading INTEGER NOT NULL,
	item VARCHAR(20) NOT NULL,
	assigned BOOLEAN NOT NULL,
	opens VARCHAR(27),
	n_placed INTEGER NOT NULL,
	n_marked INTEGER NOT NULL,
	done BOOLEAN NOT NULL,
	comment TEXT,
	calibration TEXT,
	seconds_with DOUBLE PRECISION NOT NULL,
	seconds_without DOUBLE PRECISION NOT NULL,
	PRIMARY KEY (reader, image, reading),
	UNIQUE (reader, item),
	FOREIGN KEY(reader) REFERENCES readers (name),
	FOREIGN KEY(image) REFERENCES images (id)
);
CREATE FUNCTION radmark_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'events are only ever added to'; END $$;
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION radmark_events_stay();
CREATE FUNCTION radmark_remarks_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'remarks are only ever added to'; END $$;
CREATE TRIGGER remarks_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON remarks FOR EACH STATEMENT EXECUTE FUNCTION radmark_remarks_stay();
