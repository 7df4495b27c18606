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
INSERT INTO "studies" VALUES(3,'energy/3');
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
INSERT INTO "study_directions" VALUES(4,'MINIMIZE',3,0);
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
INSERT INTO "trial_intermediate_values" VALUES(19,14,0,4.19194514403294804516e-01,'FINITE');
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
INSERT INTO "trial_params" VALUES(45,10,'x',-2.09551256368699423404e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(46,11,'x',6.31741041846237916246e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(47,12,'x',9.79353996869655629708e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(48,13,'x',0.417022004702574,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(49,13,'batch',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(50,13,'mixed',5.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, "3", 0.5]}}');
INSERT INTO "trial_params" VALUES(51,14,'x',4.19194514403294804516e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(52,14,'batch',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(53,14,'mixed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, "3", 0.5]}}');
INSERT INTO "trial_params" VALUES(54,15,'x',8.00744568675536672053e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(55,15,'batch',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(56,15,'mixed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, "3", 0.5]}}');
INSERT INTO "trial_params" VALUES(57,16,'x',0.0983468338330501,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(58,16,'batch',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(59,16,'mixed',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, "3", 0.5]}}');
INSERT INTO "trial_params" VALUES(60,17,'x',9.88861088906494711814e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(61,17,'batch',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(62,17,'mixed',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, "3", 0.5]}}');
INSERT INTO "trial_params" VALUES(63,18,'x',1.93669578702970746064e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(64,18,'batch',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(65,18,'mixed',5.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, "3", 0.5]}}');
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
INSERT INTO "trial_system_attributes" VALUES(7,13,'constraints','[-0.01702200470257398, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(8,14,'constraints','[-0.019194514403294782, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(9,15,'constraints','[-0.40074456867553665, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(10,16,'constraints','[0.3016531661669499, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(11,17,'constraints','[-0.5888610889064947, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(12,18,'constraints','[0.38063304212970295, -1.0]');
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
INSERT INTO "trial_user_attributes" VALUES(9,13,'tags','["a", 1]');
INSERT INTO "trial_user_attributes" VALUES(10,13,'fast','true');
INSERT INTO "trial_user_attributes" VALUES(11,13,'gpu','"0"');
INSERT INTO "trial_user_attributes" VALUES(12,13,'joules','10.0');
INSERT INTO "trial_user_attributes" VALUES(13,14,'tags','["a", 1]');
INSERT INTO "trial_user_attributes" VALUES(14,14,'fast','true');
INSERT INTO "trial_user_attributes" VALUES(15,14,'gpu','"0"');
INSERT INTO "trial_user_attributes" VALUES(16,15,'tags','["a", 1]');
INSERT INTO "trial_user_attributes" VALUES(17,15,'fast','true');
INSERT INTO "trial_user_attributes" VALUES(18,15,'gpu','"0"');
INSERT INTO "trial_user_attributes" VALUES(19,16,'tags','["a", 1]');
INSERT INTO "trial_user_attributes" VALUES(20,16,'fast','true');
INSERT INTO "trial_user_attributes" VALUES(21,16,'gpu','"0"');
INSERT INTO "trial_user_attributes" VALUES(22,16,'joules','40.0');
INSERT INTO "trial_user_attributes" VALUES(23,17,'tags','["a", 1]');
INSERT INTO "trial_user_attributes" VALUES(24,17,'fast','true');
INSERT INTO "trial_user_attributes" VALUES(25,17,'gpu','"0"');
INSERT INTO "trial_user_attributes" VALUES(26,17,'joules','50.0');
INSERT INTO "trial_user_attributes" VALUES(27,18,'tags','["a", 1]');
INSERT INTO "trial_user_attributes" VALUES(28,18,'fast','true');
INSERT INTO "trial_user_attributes" VALUES(29,18,'gpu','"0"');
INSERT INTO "trial_user_attributes" VALUES(30,18,'joules','60.0');
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
INSERT INTO "trial_values" VALUES(12,13,0,0.417022004702574,'FINITE');
INSERT INTO "trial_values" VALUES(13,14,0,4.19194514403294804516e-01,'FINITE');
INSERT INTO "trial_values" VALUES(14,15,0,8.00744568675536672053e-01,'FINITE');
INSERT INTO "trial_values" VALUES(15,16,0,0.0983468338330501,'FINITE');
INSERT INTO "trial_values" VALUES(16,17,0,9.88861088906494711814e-01,'FINITE');
INSERT INTO "trial_values" VALUES(17,18,0,1.93669578702970746064e-02,'FINITE');
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
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-21 17:23:21.219432','2026-11-21 17:23:25.821795');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-21 17:23:26.270829','2026-11-21 17:23:28.421203');
INSERT INTO "trials" VALUES(3,2,1,'PRUNED','2026-11-21 17:23:29.097118','2026-11-21 17:23:32.420801');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-21 17:23:32.990068','2026-11-21 17:23:35.148516');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-21 17:23:35.543428','2026-11-21 17:23:37.220295');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-21 17:23:37.347357','2026-11-21 17:23:39.052941');
INSERT INTO "trials" VALUES(7,6,1,'RUNNING','2026-11-21 17:23:39.588836',NULL);
INSERT INTO "trials" VALUES(8,7,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(9,8,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(10,0,2,'COMPLETE','2026-11-21 17:23:41.733746','2026-11-21 17:23:44.000182');
INSERT INTO "trials" VALUES(11,1,2,'COMPLETE','2026-11-21 17:23:44.527406','2026-11-21 17:23:45.802402');
INSERT INTO "trials" VALUES(12,2,2,'COMPLETE','2026-11-21 17:23:46.278043','2026-11-21 17:23:47.312096');
INSERT INTO "trials" VALUES(13,0,3,'COMPLETE','2026-11-21 17:23:48.292856','2026-11-21 17:23:53.813009');
INSERT INTO "trials" VALUES(14,1,3,'PRUNED','2026-11-21 17:23:55.128489','2026-11-21 17:23:58.052841');
INSERT INTO "trials" VALUES(15,2,3,'COMPLETE','2026-11-21 17:23:58.700579','2026-11-21 17:24:05.230567');
INSERT INTO "trials" VALUES(16,3,3,'COMPLETE','2026-11-21 17:24:06.860892','2026-11-21 17:24:11.125186');
INSERT INTO "trials" VALUES(17,4,3,'COMPLETE','2026-11-21 17:24:11.756083','2026-11-21 17:24:13.331963');
INSERT INTO "trials" VALUES(18,5,3,'COMPLETE','2026-11-21 17:24:13.673389','2026-11-21 17:24:16.110439');
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
