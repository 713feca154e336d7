BEGIN TRANSACTION;
CREATE TABLE current_marks (
	reader VARCHAR(200) NOT NULL,
	image VARCHAR(20) NOT NULL,
	reading INTEGER NOT NULL,
	landmark VARCHAR(200) NOT NULL,
	version INTEGER NOT NULL,
	x DOUBLE,
	y DOUBLE,
	state VARCHAR(13) NOT NULL,
	how VARCHAR(12) NOT NULL,
	at VARCHAR(27) NOT NULL,
	PRIMARY KEY (reader, image, reading, landmark)
);
INSERT INTO "current_marks" VALUES('Anna','3047d13166ff9e4c9f38',1,'hip_right',1,10.25,20.5,'present','placed','2026-11-26T09:18:35.911739Z');
INSERT INTO "current_marks" VALUES('Anna','3047d13166ff9e4c9f38',1,'hip_left',1,15.25,20.5,'present','placed','2026-11-26T09:18:35.932563Z');
INSERT INTO "current_marks" VALUES('Anna','3047d13166ff9e4c9f38',1,'sacrum',2,21.0,21.0,'present','moved','2026-11-26T09:18:35.955118Z');
INSERT INTO "current_marks" VALUES('Anna','3047d13166ff9e4c9f38',2,'sacrum',1,22.0,21.0,'present','placed','2026-11-26T09:18:36.005187Z');
INSERT INTO "current_marks" VALUES('Anna','d65cfd5364b662166a03',1,'hip_right',2,5.0,6.0,'occluded','state','2026-11-26T09:18:36.054056Z');
INSERT INTO "current_marks" VALUES('Anna','d65cfd5364b662166a03',1,'hip_left',1,NULL,NULL,'absent','state','2026-11-26T09:18:36.059335Z');
INSERT INTO "current_marks" VALUES('Ben','3047d13166ff9e4c9f38',1,'sacrum',3,24.0,21.0,'present','undo','2026-11-26T09:18:36.095918Z');
INSERT INTO "current_marks" VALUES('Dr Old','d65cfd5364b662166a03',1,'hip_right',1,1.0,2.0,'present','imported','2026-11-26T09:18:36.131684Z');
INSERT INTO "current_marks" VALUES('Dr Old','d65cfd5364b662166a03',1,'hip_left',1,3.0,4.0,'present','imported','2026-11-26T09:18:36.131684Z');
CREATE TABLE events (
	id INTEGER NOT NULL,
	event_id VARCHAR(36) NOT NULL,
	at VARCHAR(27) NOT NULL,
	reader VARCHAR(200) NOT NULL,
	reading INTEGER NOT NULL,
	image VARCHAR(20) NOT NULL,
	pixels VARCHAR(64),
	landmark VARCHAR(200) NOT NULL,
	version INTEGER NOT NULL,
	from_x DOUBLE,
	from_y DOUBLE,
	from_state VARCHAR(13) NOT NULL,
	x DOUBLE,
	y DOUBLE,
	state VARCHAR(13) NOT NULL,
	how VARCHAR(12) NOT NULL,
	model VARCHAR(200),
	PRIMARY KEY (id),
	UNIQUE (reader, reading, image, landmark, version),
	UNIQUE (event_id)
);
INSERT INTO "events" VALUES(1,'bf4c1ea1-e91c-5984-b5d6-fa84644e49d2','2026-11-26T09:18:35.911739Z','Anna',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','hip_right',1,NULL,NULL,'not_annotated',10.25,20.5,'present','placed',NULL);
INSERT INTO "events" VALUES(2,'d7f95aff-abe6-579a-bd6a-aaf49f8bfc12','2026-11-26T09:18:35.932563Z','Anna',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','hip_left',1,NULL,NULL,'not_annotated',15.25,20.5,'present','placed',NULL);
INSERT INTO "events" VALUES(3,'dcf1e438-7ed0-5aeb-8492-1879457e775c','2026-11-26T09:18:35.947682Z','Anna',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','sacrum',1,NULL,NULL,'not_annotated',20.25,20.5,'present','placed',NULL);
INSERT INTO "events" VALUES(4,'b7dfab3c-4ab0-5a2a-b5d4-224bc43e47f0','2026-11-26T09:18:35.955118Z','Anna',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','sacrum',2,20.25,20.5,'present',21.0,21.0,'present','moved',NULL);
INSERT INTO "events" VALUES(5,'b4ef45a8-ddc5-53a2-a616-6b8892cce6fe','2026-11-26T09:18:36.005187Z','Anna',2,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','sacrum',1,NULL,NULL,'not_annotated',22.0,21.0,'present','placed',NULL);
INSERT INTO "events" VALUES(6,'59cfde4d-4f8c-5fdd-ad5d-907052159dc5','2026-11-26T09:18:36.039632Z','Anna',1,'d65cfd5364b662166a03','0585de4230cbca137dd20d7727aa6013ae9bdd50ec582c57fdbfc85c11bd2446','hip_right',1,NULL,NULL,'not_annotated',5.0,6.0,'present','accepted','net 1');
INSERT INTO "events" VALUES(7,'385b2bd8-0e0a-569b-b3fd-659a003081ab','2026-11-26T09:18:36.054056Z','Anna',1,'d65cfd5364b662166a03','0585de4230cbca137dd20d7727aa6013ae9bdd50ec582c57fdbfc85c11bd2446','hip_right',2,5.0,6.0,'present',5.0,6.0,'occluded','state',NULL);
INSERT INTO "events" VALUES(8,'24e47c4a-225e-533a-a608-57b65b78de99','2026-11-26T09:18:36.059335Z','Anna',1,'d65cfd5364b662166a03','0585de4230cbca137dd20d7727aa6013ae9bdd50ec582c57fdbfc85c11bd2446','hip_left',1,NULL,NULL,'not_annotated',NULL,NULL,'absent','state',NULL);
INSERT INTO "events" VALUES(9,'7fffaf3b-b797-5dfa-8ebe-3f1777e1dc5c','2026-11-26T09:18:36.072512Z','Ben',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','sacrum',1,NULL,NULL,'not_annotated',24.0,21.0,'present','placed',NULL);
INSERT INTO "events" VALUES(10,'8dd734b3-b5de-5158-81a6-f9b1609006cb','2026-11-26T09:18:36.087409Z','Ben',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','sacrum',2,24.0,21.0,'present',30.0,21.0,'present','moved',NULL);
INSERT INTO "events" VALUES(11,'fa5943c9-5b3d-5178-b7ae-c558051d3248','2026-11-26T09:18:36.095918Z','Ben',1,'3047d13166ff9e4c9f38','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517','sacrum',3,30.0,21.0,'present',24.0,21.0,'present','undo',NULL);
INSERT INTO "events" VALUES(12,'a46d0b16-2514-5090-8a11-c30989eaefbf','2026-11-26T09:18:36.131684Z','Dr Old',1,'d65cfd5364b662166a03',NULL,'hip_right',1,NULL,NULL,'not_annotated',1.0,2.0,'present','imported',NULL);
INSERT INTO "events" VALUES(13,'ae242a4c-74f0-55c8-a8f1-c7ac42d97a87','2026-11-26T09:18:36.131684Z','Dr Old',1,'d65cfd5364b662166a03',NULL,'hip_left',1,NULL,NULL,'not_annotated',3.0,4.0,'present','imported',NULL);
CREATE TABLE images (
	id VARCHAR(20) NOT NULL,
	name VARCHAR(1000) NOT NULL,
	ordinal INTEGER NOT NULL,
	here BOOLEAN NOT NULL,
	stamp VARCHAR(60) NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	spacing_x_mm DOUBLE,
	spacing_y_mm DOUBLE,
	spacing_source VARCHAR(40),
	patient VARCHAR(200),
	pixels VARCHAR(64),
	PRIMARY KEY (id),
	UNIQUE (name)
);
INSERT INTO "images" VALUES('62474a57be4ace140c7b','a.dcm',0,1,'3170 1795684715405107135',40,30,0.21,0.2,'dicom-unknown','P-two',NULL);
INSERT INTO "images" VALUES('3047d13166ff9e4c9f38','film-1.png',1,1,'2498 1795684715398639440',40,30,0.14,0.15,'table','P-one','7c45b6d3564544d2f3a25db9fd269f84022c590b2a72caaee723bc4d5224c517');
INSERT INTO "images" VALUES('d65cfd5364b662166a03','film-2.png',2,1,'2498 1795684715402490297',40,30,0.14,0.15,'table','P-one','0585de4230cbca137dd20d7727aa6013ae9bdd50ec582c57fdbfc85c11bd2446');
INSERT INTO "images" VALUES('e2d45987ab49983f6e06','film-10.png',3,1,'2498 1795684715402842942',40,30,NULL,NULL,NULL,NULL,NULL);
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
	seconds_with DOUBLE NOT NULL,
	seconds_without DOUBLE NOT NULL,
	PRIMARY KEY (reader, image, reading),
	UNIQUE (reader, item),
	FOREIGN KEY(reader) REFERENCES readers (name),
	FOREIGN KEY(image) REFERENCES images (id)
);
INSERT INTO "items" VALUES('Anna','3047d13166ff9e4c9f38',1,'3047d13166ff9e4c9f38',1,NULL,3,3,1,'turned a little',NULL,0.0,12.5);
INSERT INTO "items" VALUES('Anna','3047d13166ff9e4c9f38',2,'bf3f25aebf5048130423',1,'2026-11-26T09:18:35.999087Z',1,1,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Anna','62474a57be4ace140c7b',1,'62474a57be4ace140c7b',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Anna','62474a57be4ace140c7b',2,'eaa33cfc1f7d7545728e',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Anna','d65cfd5364b662166a03',1,'d65cfd5364b662166a03',1,NULL,1,2,0,NULL,'{"kind": "line", "mm": 10.0, "points": [[1.0, 2.0], [4.0, 6.0]], "spacing": {"x_mm": 1.9115411478777613, "y_mm": 2.048079801297601, "source": "known-distance"}, "residual_px": null}',0.0,0.0);
INSERT INTO "items" VALUES('Anna','d65cfd5364b662166a03',2,'7e868864d0da36f109f7',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Anna','e2d45987ab49983f6e06',1,'e2d45987ab49983f6e06',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Anna','e2d45987ab49983f6e06',2,'61e0ce5f1a11a544069c',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Ben','3047d13166ff9e4c9f38',1,'3047d13166ff9e4c9f38',1,NULL,1,1,0,NULL,'{"kind": "circle", "mm": 25.4, "points": [[27.960033322224206, 15.798667333174626], [22.1399906289967, 22.708465483337545], [12.232334678803277, 16.91399463371186], [17.541337040172646, 7.387183408883872], [25.66935819433008, 9.355677395436864]], "spacing": {"x_mm": 1.5340613037221138, "y_mm": 1.643637111130836, "source": "known-distance"}, "residual_px": 0.19360807828158375}',0.0,0.0);
INSERT INTO "items" VALUES('Ben','62474a57be4ace140c7b',1,'62474a57be4ace140c7b',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Ben','d65cfd5364b662166a03',1,'d65cfd5364b662166a03',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Ben','e2d45987ab49983f6e06',1,'e2d45987ab49983f6e06',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Chief','3047d13166ff9e4c9f38',1,'3047d13166ff9e4c9f38',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Chief','62474a57be4ace140c7b',1,'62474a57be4ace140c7b',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Chief','d65cfd5364b662166a03',1,'d65cfd5364b662166a03',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Chief','e2d45987ab49983f6e06',1,'e2d45987ab49983f6e06',1,NULL,0,0,0,NULL,NULL,0.0,0.0);
INSERT INTO "items" VALUES('Dr Old','d65cfd5364b662166a03',1,'d65cfd5364b662166a03',1,NULL,2,2,0,NULL,NULL,0.0,0.0);
CREATE TABLE proposals (
	image VARCHAR(20) NOT NULL,
	model VARCHAR(200) NOT NULL,
	pixels VARCHAR(64) NOT NULL,
	uncertainty DOUBLE,
	content TEXT NOT NULL,
	PRIMARY KEY (image, model)
);
INSERT INTO "proposals" VALUES('d65cfd5364b662166a03','net 1','0585de4230cbca137dd20d7727aa6013ae9bdd50ec582c57fdbfc85c11bd2446',0.25,'{"landmarks": {"hip_right": {"x": 5.0, "y": 6.0, "state": "present", "confidence": 0.75}}}');
CREATE TABLE radmark_meta (
	"key" VARCHAR(40) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);
INSERT INTO "radmark_meta" VALUES('schema_version','1');
INSERT INTO "radmark_meta" VALUES('made','2026-11-26T09:18:35.557220Z');
INSERT INTO "radmark_meta" VALUES('scheme','{"name": "hips", "landmarks": [{"name": "hip_right", "definition": ""}, {"name": "hip_left", "definition": ""}, {"name": "sacrum", "definition": ""}], "title": "", "source": "", "pairs": [["hip_right", "hip_left"]], "edges": []}');
INSERT INTO "radmark_meta" VALUES('key','0123456789abcdef');
CREATE TABLE readers (
	name VARCHAR(200) NOT NULL,
	since VARCHAR(27) NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "readers" VALUES('Anna','2026-11-26T09:18:35.641540Z');
INSERT INTO "readers" VALUES('Ben','2026-11-26T09:18:35.653414Z');
INSERT INTO "readers" VALUES('Chief','2026-11-26T09:18:35.659898Z');
INSERT INTO "readers" VALUES('Dr Old','2026-11-26T09:18:36.122178Z');
CREATE TABLE remarks (
	id INTEGER NOT NULL,
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
INSERT INTO "remarks" VALUES(1,NULL,'2026-11-26T09:18:35.971634Z','Anna',1,'3047d13166ff9e4c9f38','comment','"turned a little"');
INSERT INTO "remarks" VALUES(2,'273fea73-a6dd-5775-8cf9-ccd03a401809','2026-11-26T09:18:35.986699Z','Anna',1,'3047d13166ff9e4c9f38','time','{"seconds": 12.5, "with_proposal": false}');
INSERT INTO "remarks" VALUES(3,NULL,'2026-11-26T09:18:35.998146Z','Anna',1,'3047d13166ff9e4c9f38','done','true');
INSERT INTO "remarks" VALUES(4,NULL,'2026-11-26T09:18:36.106503Z','Ben',1,'3047d13166ff9e4c9f38','calibration','{"kind": "circle", "mm": 25.4, "points": [[27.960033322224206, 15.798667333174626], [22.1399906289967, 22.708465483337545], [12.232334678803277, 16.91399463371186], [17.541337040172646, 7.387183408883872], [25.66935819433008, 9.355677395436864]], "spacing": {"x_mm": 1.5340613037221138, "y_mm": 1.643637111130836, "source": "known-distance"}, "residual_px": 0.19360807828158375}');
INSERT INTO "remarks" VALUES(5,NULL,'2026-11-26T09:18:36.113986Z','Anna',1,'d65cfd5364b662166a03','calibration','{"kind": "line", "mm": 10.0, "points": [[1.0, 2.0], [4.0, 6.0]], "spacing": {"x_mm": 1.9115411478777613, "y_mm": 2.048079801297601, "source": "known-distance"}, "residual_px": null}');
CREATE TABLE sessions (
	secret VARCHAR(64) NOT NULL,
	reader VARCHAR(200) NOT NULL,
	ends VARCHAR(27) NOT NULL,
	PRIMARY KEY (secret)
);
INSERT INTO "sessions" VALUES('1cc74b4184694295fcd19732f814b66a6919a09e0e4f019a2cf4c13707fbfa8d','Anna','2026-11-27T09:18:36.160246Z');
CREATE INDEX images_by_name ON images (here, ordinal);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are only ever added to'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are only ever added to'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id OR event_id = NEW.event_id OR reader = NEW.reader AND reading = NEW.reading AND image = NEW.image AND landmark = NEW.landmark AND version = NEW.version) BEGIN SELECT RAISE(ABORT, 'events are only ever added to'); END;
CREATE TRIGGER remarks_no_update BEFORE UPDATE ON remarks BEGIN SELECT RAISE(ABORT, 'remarks are only ever added to'); END;
CREATE TRIGGER remarks_no_delete BEFORE DELETE ON remarks BEGIN SELECT RAISE(ABORT, 'remarks are only ever added to'); END;
CREATE TRIGGER remarks_no_replace BEFORE INSERT ON remarks WHEN EXISTS (SELECT 1 FROM remarks WHERE id = NEW.id OR event_id = NEW.event_id) BEGIN SELECT RAISE(ABORT, 'remarks are only ever added to'); END;
COMMIT;
