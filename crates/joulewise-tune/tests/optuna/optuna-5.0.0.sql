BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'one');
INSERT INTO "studies" VALUES(2,'two');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',2,0);
INSERT INTO "study_directions" VALUES(3,'MAXIMIZE',2,1);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["accuracy"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'who','"me"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,0.0,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(3,1,2,9.31360927583913108737e-04,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,0,0.0,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,2,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(6,2,2,1.31473733102766541548e-04,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,3,0,0.0,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,3,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(9,3,2,6.40599514005809472783e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,4,0,0.0,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,4,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(12,4,2,4.36046377859770697971e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,5,0,0.0,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,5,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(15,5,2,2.39054997495537671745e-05,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,6,0,0.0,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,6,1,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(18,6,2,1.19847954622835164983e-02,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'lr',4.65680463791956554368e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(2,1,'drop',0.4,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(3,1,'layers',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(4,1,'batch',36.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 16, "high": 256}}');
INSERT INTO "trial_params" VALUES(5,1,'width',32.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 32, "low": 32, "high": 128}}');
INSERT INTO "trial_params" VALUES(6,1,'mixed',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, null, true, "x"]}}');
INSERT INTO "trial_params" VALUES(7,1,'optimiser',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", "adam"]}}');
INSERT INTO "trial_params" VALUES(8,2,'lr',6.57368665513832707743e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(9,2,'drop',0.5,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(10,2,'layers',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(11,2,'batch',102.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 16, "high": 256}}');
INSERT INTO "trial_params" VALUES(12,2,'width',96.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 32, "low": 32, "high": 160}}');
INSERT INTO "trial_params" VALUES(13,2,'mixed',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, null, true, "x"]}}');
INSERT INTO "trial_params" VALUES(14,2,'optimiser',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", "adam"]}}');
INSERT INTO "trial_params" VALUES(15,3,'lr',3.20299757002904736391e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(16,3,'drop',0.5,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(17,3,'layers',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(18,3,'batch',17.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 16, "high": 256}}');
INSERT INTO "trial_params" VALUES(19,3,'width',32.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 32, "low": 32, "high": 128}}');
INSERT INTO "trial_params" VALUES(20,3,'mixed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, null, true, "x"]}}');
INSERT INTO "trial_params" VALUES(21,3,'optimiser',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", "adam"]}}');
INSERT INTO "trial_params" VALUES(22,3,'momentum',6.79635918404767780387e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.99, "log": false}}');
INSERT INTO "trial_params" VALUES(23,4,'lr',2.18023188929885348985e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(24,4,'drop',0.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(25,4,'layers',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(26,4,'batch',249.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 16, "high": 256}}');
INSERT INTO "trial_params" VALUES(27,4,'width',128.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 32, "low": 32, "high": 160}}');
INSERT INTO "trial_params" VALUES(28,4,'mixed',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, null, true, "x"]}}');
INSERT INTO "trial_params" VALUES(29,4,'optimiser',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", "adam"]}}');
INSERT INTO "trial_params" VALUES(30,4,'momentum',1.28728286397094909832e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.99, "log": false}}');
INSERT INTO "trial_params" VALUES(31,5,'lr',1.19527498747768835872e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(32,5,'drop',0.4,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(33,5,'layers',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(34,5,'batch',33.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 16, "high": 256}}');
INSERT INTO "trial_params" VALUES(35,5,'width',64.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 32, "low": 32, "high": 128}}');
INSERT INTO "trial_params" VALUES(36,5,'mixed',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, null, true, "x"]}}');
INSERT INTO "trial_params" VALUES(37,5,'optimiser',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", "adam"]}}');
INSERT INTO "trial_params" VALUES(38,6,'lr',5.99239773114175824919e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(39,6,'drop',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(40,6,'layers',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}}');
INSERT INTO "trial_params" VALUES(41,6,'batch',70.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 16, "high": 256}}');
INSERT INTO "trial_params" VALUES(42,6,'width',128.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 32, "low": 32, "high": 160}}');
INSERT INTO "trial_params" VALUES(43,6,'mixed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, null, true, "x"]}}');
INSERT INTO "trial_params" VALUES(44,6,'optimiser',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", "adam"]}}');
INSERT INTO "trial_params" VALUES(45,10,'x',-3.04109331770909818715e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(46,11,'x',-1.11336254548590307678e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(47,12,'x',-5.69794433504513309074e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints:bytes','-2.0');
INSERT INTO "trial_system_attributes" VALUES(2,2,'constraints:bytes','-2.0');
INSERT INTO "trial_system_attributes" VALUES(3,5,'constraints:bytes','-2.0');
INSERT INTO "trial_system_attributes" VALUES(4,6,'constraints:bytes','-2.0');
INSERT INTO "trial_system_attributes" VALUES(5,8,'fixed_params','{"lr": 0.01, "drop": 0.1, "layers": 2, "batch": 32, "width": 64, "optimiser": "adam", "mixed": null}');
INSERT INTO "trial_system_attributes" VALUES(6,9,'fixed_params','{"lr": 0.02}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'cost','12.5');
INSERT INTO "trial_user_attributes" VALUES(2,1,'host','"a"');
INSERT INTO "trial_user_attributes" VALUES(3,2,'cost','12.5');
INSERT INTO "trial_user_attributes" VALUES(4,2,'host','"a"');
INSERT INTO "trial_user_attributes" VALUES(5,5,'cost','12.5');
INSERT INTO "trial_user_attributes" VALUES(6,5,'host','"a"');
INSERT INTO "trial_user_attributes" VALUES(7,6,'cost','12.5');
INSERT INTO "trial_user_attributes" VALUES(8,6,'host','"a"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,4.65680463791956554368e-04,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,6.57368665513832707743e-05,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,6.40599514005809472783e-02,'FINITE');
INSERT INTO "trial_values" VALUES(4,5,0,1.19527498747768835872e-05,'FINITE');
INSERT INTO "trial_values" VALUES(5,6,0,5.99239773114175824919e-03,'FINITE');
INSERT INTO "trial_values" VALUES(6,10,0,0.25,'FINITE');
INSERT INTO "trial_values" VALUES(7,10,1,3.0,'FINITE');
INSERT INTO "trial_values" VALUES(8,11,0,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(9,11,1,NULL,'INF_POS');
INSERT INTO "trial_values" VALUES(10,12,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(11,12,1,1.0,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-21 07:59:36.654529','2026-11-21 07:59:36.910640');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-21 07:59:36.947013','2026-11-21 07:59:37.100344');
INSERT INTO "trials" VALUES(3,2,1,'PRUNED','2026-11-21 07:59:37.123635','2026-11-21 07:59:37.229671');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-21 07:59:37.243624','2026-11-21 07:59:37.362474');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-21 07:59:37.384656','2026-11-21 07:59:37.537670');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-21 07:59:37.558252','2026-11-21 07:59:37.697209');
INSERT INTO "trials" VALUES(7,6,1,'RUNNING','2026-11-21 07:59:37.722243',NULL);
INSERT INTO "trials" VALUES(8,7,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(9,8,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(10,0,2,'COMPLETE','2026-11-21 07:59:37.834069','2026-11-21 07:59:37.879049');
INSERT INTO "trials" VALUES(11,1,2,'COMPLETE','2026-11-21 07:59:37.891098','2026-11-21 07:59:37.916702');
INSERT INTO "trials" VALUES(12,2,2,'COMPLETE','2026-11-21 07:59:37.934930','2026-11-21 07:59:37.970199');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
